//! The history of a delivery: its row has the latest attempt, which goes to a
//! table of its own before the next one takes its place.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::totals::state_code;
use crate::journal::DeliveryState;

/// Attempts of a delivery that are kept beside the latest.
const KEPT: i64 = 99;

/// Copies the attempt in a delivery's row, if the delivery is in this state and
/// the row has one, to the history, of which the oldest goes when it is full.
pub(in super::super) fn shelve(
    conn: &Connection,
    delivery: i64,
    state: DeliveryState,
) -> Result<(), rusqlite::Error> {
    let place: Option<i64> = conn
        .prepare_cached(
            "INSERT INTO attempt (delivery, place, number, state, reason, started_at,
               duration_us, cpu_us, peak_memory, log)
             SELECT id, 1 + ifnull((SELECT max(place) FROM attempt WHERE delivery = ?1), 0),
               attempts, state, reason, started_at, duration_us, cpu_us, peak_memory, log
             FROM delivery
             WHERE id = ?1 AND state = ?2 AND attempts > 0 AND started_at IS NOT NULL
             RETURNING place",
        )?
        .query_row(params![delivery, state_code(state)], |row| row.get(0))
        .optional()?;
    if let Some(place) = place.filter(|place| *place > KEPT) {
        conn.prepare_cached("DELETE FROM attempt WHERE delivery = ?1 AND place <= ?2")?
            .execute([delivery, place - KEPT])?;
    }
    Ok(())
}
