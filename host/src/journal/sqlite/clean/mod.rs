//! Removing what is old, in steps so small that appends don't notice: each is
//! one item of the writer's batches.

mod events;
mod parked;

use rusqlite::Connection;

use super::apply::State;
use crate::types::UnixMicros;

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
    /// End what has waited for a removed plugin for too long.
    Parked,
    /// Remove finished events received before `before`, from those numbered
    /// above `after`.
    Old {
        /// The bound of their time.
        before: UnixMicros,
        /// Where the step before ended.
        after: i64,
    },
    /// Remove finished events numbered above `after` while what is stored takes
    /// more than `bytes`.
    Large {
        /// The bound.
        bytes: u64,
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
        Step::Parked => parked::end(conn, state, now).map(again),
        Step::Old { before, after } => events::remove_old(conn, state, after, before, now),
        Step::Large { bytes, after } => events::remove_while_large(conn, state, bytes, after),
        Step::Keys => state.dedupe.drop_some(conn, now, KEYS).map(again),
        Step::Pages => give_back(conn).map(again),
    }
}

fn give_back(conn: &Connection) -> Result<bool, rusqlite::Error> {
    let pages = Pages::count(conn)?;
    let spare = pages.free - pages.all / KEEP_FREE;
    if spare <= 0 {
        return Ok(false);
    }
    let mut statement =
        conn.prepare(&format!("PRAGMA incremental_vacuum({})", spare.min(PAGES)))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(spare > PAGES)
}

/// The file's pages, as the transaction sees them.
#[derive(Clone, Copy, Debug)]
struct Pages {
    all: i64,
    free: i64,
}

impl Pages {
    fn count(conn: &Connection) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            all: conn.pragma_query_value(None, "page_count", |row| row.get(0))?,
            free: conn.pragma_query_value(None, "freelist_count", |row| row.get(0))?,
        })
    }
}
