//! Ending what waits for a plugin that was removed and doesn't come back.

use rusqlite::{Connection, params};

use super::super::apply::{State, shelve};
use super::super::totals::state_code;
use crate::journal::DeliveryState;
use crate::types::UnixMicros;

/// Deliveries ended in one step, and requests.
const STEP: usize = 512;
const REASON: &str = "its plugin was removed and did not come back in time";

/// Ends some; returns whether there may be more.
pub(super) fn end(
    conn: &Connection,
    state: &mut State,
    now: UnixMicros,
) -> Result<bool, rusqlite::Error> {
    let gone_by = now.before(state.options.parked_for);
    // Written out, so that each finds its own partial index.
    let mut more = false;
    for which in ["d.manual = 0", "d.manual > 0"] {
        let sql = format!(
            "SELECT d.id FROM plugin p JOIN delivery d ON d.plugin = p.id AND d.state = 0
               AND {which} WHERE p.removed_at <= ?1 LIMIT ?2"
        );
        let ids = ids(conn, &sql, gone_by)?;
        for id in &ids {
            end_delivery(conn, state, *id)?;
        }
        more |= ids.len() == STEP;
    }
    let requests = ids(
        conn,
        "SELECT o.id FROM plugin p JOIN outbox o ON o.plugin = p.id AND o.state = 0
         WHERE p.removed_at <= ?1 LIMIT ?2",
        gone_by,
    )?;
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
