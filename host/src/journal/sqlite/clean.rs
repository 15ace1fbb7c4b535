//! Removing what is old, in steps so small that appends don't notice: each is
//! one item of the writer's batches.

use rusqlite::{Connection, params};

use super::apply::State;
use super::totals::{index, state_code, state_of};
use crate::journal::DeliveryState;
use crate::types::UnixMicros;

/// Events looked at in one step.
const EVENTS: i64 = 256;
/// Parked deliveries ended in one step.
const PARKED: usize = 512;
/// Dedupe keys dropped in one step.
const KEYS: i64 = 2048;
/// Pages given back to the file system in one step.
const PAGES: i64 = 64;
/// Free pages that are kept for new rows, as a part of the file: giving them
/// back only to ask for them again would be work for nothing.
const KEEP_FREE: i64 = 8;

/// One step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// End deliveries that have been parked for too long.
    Parked,
    /// Remove finished events received before `before`, from those numbered
    /// above `after`.
    Events {
        /// The bound of their time.
        before: UnixMicros,
        /// Where the step before ended.
        after: i64,
    },
    /// Drop dedupe keys that no longer count.
    Keys,
    /// Give free pages back.
    Pages,
}

/// What a step did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cleaned {
    /// The step to do next.
    pub(super) next: Option<Step>,
    /// How many events it removed.
    pub(super) events: u64,
}

/// Does one step.
pub(super) fn run(
    conn: &Connection,
    state: &mut State,
    step: Step,
    now: UnixMicros,
) -> Result<Cleaned, rusqlite::Error> {
    let again = |more: bool| Cleaned {
        next: more.then_some(step),
        events: 0,
    };
    match step {
        Step::Parked => end_parked(conn, state, now).map(again),
        Step::Events { before, after } => remove_events(conn, state, before, after),
        Step::Keys => state.dedupe.drop_some(conn, now, KEYS).map(again),
        Step::Pages => give_back(conn).map(again),
    }
}

fn end_parked(
    conn: &Connection,
    state: &mut State,
    now: UnixMicros,
) -> Result<bool, rusqlite::Error> {
    let ended = conn
        .prepare_cached(
            "UPDATE delivery SET state = ?1, due_at = NULL,
               reason = 'its plugin was removed and did not come back in time'
             WHERE id IN (
               SELECT d.id FROM plugin p
               JOIN delivery d ON d.plugin = p.id AND d.state = 0
               WHERE p.removed_at <= ?2 LIMIT ?3)",
        )?
        .execute(params![
            state_code(DeliveryState::Dead),
            now.before(state.parked_for).0,
            i64::try_from(PARKED).unwrap_or(i64::MAX)
        ])?;
    let count = i64::try_from(ended).unwrap_or(0);
    state
        .totals
        .shift(DeliveryState::Pending, DeliveryState::Dead, count);
    Ok(ended == PARKED)
}

fn remove_events(
    conn: &Connection,
    state: &mut State,
    before: UnixMicros,
    after: i64,
) -> Result<Cleaned, rusqlite::Error> {
    let mut last = after;
    let mut old = Vec::new();
    let mut seen = 0;
    {
        let mut statement = conn.prepare_cached(
            "SELECT seq, received_at, first_delivery, deliveries FROM event
             WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let mut rows = statement.query([after, EVENTS])?;
        while let Some(row) = rows.next()? {
            seen += 1;
            last = row.get(0)?;
            if row.get::<_, i64>(1)? < before.0 {
                let first: i64 = row.get(2)?;
                old.push((last, first, first + row.get::<_, i64>(3)?));
            }
        }
    }
    let mut removed = 0;
    for &(seq, first, end) in &old {
        removed += u64::from(remove_event(conn, state, seq, first, end)?);
    }
    // Events come in nearly in the order of their time: a whole step without an
    // old one is the end.
    let more = seen == EVENTS && !old.is_empty();
    Ok(Cleaned {
        next: more.then_some(Step::Events {
            before,
            after: last,
        }),
        events: removed,
    })
}

/// Removes an event and its deliveries `first..end`, unless one is pending.
fn remove_event(
    conn: &Connection,
    state: &mut State,
    seq: i64,
    first: i64,
    end: i64,
) -> Result<bool, rusqlite::Error> {
    if first < end {
        let mut by_state = [0_i64; 4];
        let mut statement =
            conn.prepare_cached("SELECT state FROM delivery WHERE id >= ?1 AND id < ?2")?;
        let mut rows = statement.query([first, end])?;
        while let Some(row) = rows.next()? {
            let state = state_of(row.get(0)?)?;
            if state == DeliveryState::Pending {
                return Ok(false);
            }
            by_state[index(state)] += 1;
        }
        conn.prepare_cached("DELETE FROM delivery WHERE id >= ?1 AND id < ?2")?
            .execute([first, end])?;
        for (total, gone) in state.totals.deliveries.iter_mut().zip(by_state) {
            *total -= gone;
        }
    }
    conn.prepare_cached("DELETE FROM event WHERE seq = ?1")?
        .execute([seq])?;
    state.totals.events -= 1;
    Ok(true)
}

fn give_back(conn: &Connection) -> Result<bool, rusqlite::Error> {
    let free: i64 = conn.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    let all: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let spare = free - all / KEEP_FREE;
    if spare <= 0 {
        return Ok(false);
    }
    let mut statement =
        conn.prepare(&format!("PRAGMA incremental_vacuum({})", spare.min(PAGES)))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(spare > PAGES)
}
