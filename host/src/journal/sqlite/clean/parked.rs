//! Ending what waits for a plugin that was removed and doesn't come back.

use rusqlite::{Connection, params};

use super::super::apply::{State, shelve};
use super::super::totals::state_code;
use crate::journal::DeliveryState;
use crate::types::UnixMicros;

/// Deliveries ended in one step, and requests.
const STEP: usize = 128;
const REASON: &str = "its plugin was removed and did not come back in time";

/// What waits for a removed plugin. A cross join is done as written: removed
/// plugins first, of which there are few, then the part of each in the partial
/// index of its kind. The other way round would look at all that waits.
const DELIVERIES: [&str; 2] = [
    "SELECT d.id FROM plugin p CROSS JOIN delivery d
     WHERE p.removed_at <= ?1 AND d.plugin = p.id AND d.state = 0 AND d.manual = 0 LIMIT ?2",
    "SELECT d.id FROM plugin p CROSS JOIN delivery d
     WHERE p.removed_at <= ?1 AND d.plugin = p.id AND d.state = 0 AND d.manual > 0 LIMIT ?2",
];
const REQUESTS: &str = "SELECT o.id FROM plugin p CROSS JOIN outbox o
     WHERE p.removed_at <= ?1 AND o.plugin = p.id AND o.state = 0 LIMIT ?2";

/// Ends some; returns whether there may be more.
pub(super) fn end(
    conn: &Connection,
    state: &mut State,
    now: UnixMicros,
) -> Result<bool, rusqlite::Error> {
    let gone_by = now.before(state.options.parked_for);
    let mut more = false;
    for sql in DELIVERIES {
        let ids = ids(conn, sql, gone_by)?;
        for id in &ids {
            end_delivery(conn, state, *id)?;
        }
        more |= ids.len() == STEP;
    }
    let requests = ids(conn, REQUESTS, gone_by)?;
    for id in &requests {
        conn.prepare_cached(
            "UPDATE outbox SET state = 2, due_at = NULL, reason = ?2 WHERE id = ?1",
        )?
        .execute(params![id, REASON])?;
        state.totals.outbox_pending -= 1;
        state.totals.outbox_dead += 1;
    }
    Ok(more || requests.len() == STEP)
}

fn end_delivery(conn: &Connection, state: &mut State, id: i64) -> Result<(), rusqlite::Error> {
    shelve(conn, id, DeliveryState::Pending)?;
    conn.prepare_cached(
        "UPDATE delivery SET state = ?2, due_at = NULL, reason = ?3, started_at = NULL,
           duration_us = NULL, cpu_us = NULL, peak_memory = NULL, log = NULL
         WHERE id = ?1",
    )?
    .execute(params![id, state_code(DeliveryState::Dead), REASON])?;
    state
        .totals
        .shift(DeliveryState::Pending, DeliveryState::Dead, 1);
    Ok(())
}

fn ids(conn: &Connection, sql: &str, gone_by: UnixMicros) -> Result<Vec<i64>, rusqlite::Error> {
    conn.prepare_cached(sql)?
        .query_map(
            params![gone_by.0, super::super::rows::limited(STEP)],
            |row| row.get(0),
        )?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::{Tuning, schema};
    use super::*;

    #[test]
    fn what_waits_for_other_plugins_is_not_looked_at() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let file = folder.path().join("file");
        let conn = schema::open_writer(&file, &Tuning::default()).expect("it opens");
        for sql in DELIVERIES.into_iter().chain([REQUESTS]) {
            let plan: Vec<String> = conn
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .and_then(|mut plan| plan.query_map([0, 1], |row| row.get(3))?.collect())
                .expect("a plan");
            assert_eq!(plan.len(), 2, "{plan:?}");
            assert!(plan[0].starts_with("SCAN p"), "{plan:?}");
            assert!(plan[1].starts_with("SEARCH"), "{plan:?}");
        }
    }
}
