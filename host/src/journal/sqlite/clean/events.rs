//! Removing events with all that belongs to them.

use rusqlite::{Connection, params};

use super::super::apply::{State, release};
use super::super::totals::{index, outbox_state_of, state_of};
use super::{Cleaned, Pages, Step};
use crate::journal::{DeliveryState, OutboxState};
use crate::types::UnixMicros;

/// Events looked at in one step.
const LOOK: usize = 256;
/// Events removed between two looks at how much is stored.
const MEASURE: usize = 16;
/// Events removed in one step where they may be young and large.
const REMOVE: usize = 64;

/// An event that may go.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    seq: i64,
    received_at: UnixMicros,
    /// Its deliveries, those of replays apart, are `first..end`.
    first: i64,
    end: i64,
}

/// Removes finished events received before `before`.
pub(super) fn remove_old(
    conn: &Connection,
    state: &mut State,
    after: i64,
    before: UnixMicros,
    now: UnixMicros,
) -> Result<Cleaned, rusqlite::Error> {
    let seen = candidates(conn, after)?;
    let mut removed = 0;
    let (mut old, mut young) = (0, 0);
    for event in &seen {
        if event.received_at < before {
            old += 1;
            removed += u64::from(remove(conn, state, *event)?);
        } else if event.received_at <= now {
            young += 1;
        }
    }
    // Events come in nearly in the order of their time: a whole step without an
    // old one is the end. Not so if they are all from a time when the clock was
    // wrong: older ones may follow.
    let on = old > 0 || young == 0;
    let last = seen.last().filter(|_| seen.len() == LOOK && on);
    Ok(Cleaned {
        next: last.map(|event| Step::Old {
            before,
            after: event.seq,
        }),
        events: removed,
    })
}

/// Removes finished events while what is stored takes more than `bytes`.
pub(super) fn remove_while_large(
    conn: &Connection,
    state: &mut State,
    bytes: u64,
    after: i64,
) -> Result<Cleaned, rusqlite::Error> {
    let page: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let large = || -> Result<bool, rusqlite::Error> {
        let pages = Pages::count(conn)?;
        Ok(u64::try_from((pages.all - pages.free) * page).unwrap_or(0) > bytes)
    };
    let mut removed = 0;
    if !large()? {
        return Ok(Cleaned {
            next: None,
            events: 0,
        });
    }
    let seen = candidates(conn, after)?;
    let mut last = None;
    for event in &seen {
        last = Some(event.seq);
        if !remove(conn, state, *event)? {
            continue;
        }
        removed += 1;
        if removed == REMOVE || (removed % MEASURE == 0 && !large()?) {
            break;
        }
    }
    let ended = seen.len() < LOOK && last == seen.last().map(|event| event.seq);
    Ok(Cleaned {
        next: last
            .filter(|_| !ended)
            .map(|after| Step::Large { bytes, after }),
        events: removed as u64,
    })
}

fn candidates(conn: &Connection, after: i64) -> Result<Vec<Candidate>, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT seq, received_at, first_delivery, deliveries FROM event
         WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?
    .query_map(params![after, super::super::rows::limited(LOOK)], |row| {
        let first: i64 = row.get(2)?;
        Ok(Candidate {
            seq: row.get(0)?,
            received_at: UnixMicros(row.get(1)?),
            first,
            end: first + row.get::<_, i64>(3)?,
        })
    })?
    .collect()
}

/// Removes an event, unless a delivery or a request of it waits.
fn remove(conn: &Connection, state: &mut State, event: Candidate) -> Result<bool, rusqlite::Error> {
    let mut by_state = [0_i64; 4];
    let mut added = Vec::new();
    // Most have one attempt, which has no row of its own.
    let mut history = false;
    let mut statement = conn.prepare_cached(
        "SELECT id, state, manual > 0 OR attempts > 1 OR (attempts = 1 AND started_at IS NULL)
         FROM delivery WHERE id >= ?1 AND id < ?2
         UNION ALL SELECT id, state, 1 FROM delivery WHERE event = ?3 AND manual = 2",
    )?;
    let mut rows = statement.query([event.first, event.end, event.seq])?;
    while let Some(row) = rows.next()? {
        let state = state_of(row.get(1)?)?;
        if state == DeliveryState::Pending {
            return Ok(false);
        }
        by_state[index(state)] += 1;
        history |= row.get::<_, bool>(2)?;
        let id: i64 = row.get(0)?;
        if id >= event.end {
            added.push(id);
        }
    }
    let Some(requests) = requests(conn, state, event.seq)? else {
        return Ok(false);
    };

    let range = |first, end| -> Result<(), rusqlite::Error> {
        if history {
            conn.prepare_cached("DELETE FROM attempt WHERE delivery >= ?1 AND delivery < ?2")?
                .execute([first, end])?;
        }
        conn.prepare_cached("DELETE FROM delivery WHERE id >= ?1 AND id < ?2")?
            .execute([first, end])?;
        Ok(())
    };
    if event.first < event.end {
        range(event.first, event.end)?;
    }
    for id in added {
        range(id, id + 1)?;
    }
    if requests.all > 0 {
        if requests.dead > 0 {
            release(conn, "event = ?1", event.seq)?;
        }
        conn.prepare_cached("DELETE FROM outbox WHERE event = ?1")?
            .execute([event.seq])?;
    }
    conn.prepare_cached("DELETE FROM event WHERE seq = ?1")?
        .execute([event.seq])?;
    for (total, gone) in state.totals.deliveries.iter_mut().zip(by_state) {
        *total -= gone;
    }
    state.totals.outbox_dead -= requests.dead;
    state.totals.events -= 1;
    Ok(true)
}

/// An event's requests, none of which waits.
#[derive(Clone, Copy, Debug, Default)]
struct Requests {
    all: i64,
    dead: i64,
}

/// `None` if one waits.
fn requests(
    conn: &Connection,
    state: &State,
    event: i64,
) -> Result<Option<Requests>, rusqlite::Error> {
    let mut found = Requests::default();
    if state.totals.next_outbox == 1 {
        // There has never been one.
        return Ok(Some(found));
    }
    let mut statement = conn.prepare_cached("SELECT state FROM outbox WHERE event = ?1")?;
    let mut rows = statement.query([event])?;
    while let Some(row) = rows.next()? {
        found.all += 1;
        match outbox_state_of(row.get(0)?)? {
            OutboxState::Pending => return Ok(None),
            OutboxState::Dead => found.dead += 1,
            OutboxState::Sent => {}
        }
    }
    Ok(Some(found))
}
