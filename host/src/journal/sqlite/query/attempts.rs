//! A delivery's attempts: the latest from its row, the others from the history.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::super::route::bad_text;
use super::super::rows::number;
use super::super::totals::state_of;
use crate::journal::AttemptRecord;
use crate::types::{DeliveryId, UnixMicros};

/// See [`Inspect::attempts`](crate::journal::Inspect::attempts).
pub(in super::super) fn attempts(
    conn: &Connection,
    delivery: DeliveryId,
) -> Result<Option<Vec<AttemptRecord>>, rusqlite::Error> {
    // One moment for both: between them an attempt might go from one to the other.
    let moment = conn.unchecked_transaction()?;
    let latest = moment
        .prepare_cached(
            "SELECT attempts, state, reason, started_at, duration_us, cpu_us, peak_memory, log
             FROM delivery WHERE id = ?1",
        )?
        .query_row([delivery.0], |row| {
            let ran = row.get::<_, i64>(0)? > 0 && row.get::<_, Option<i64>>(3)?.is_some();
            ran.then(|| record(row)).transpose()
        })
        .optional()?;
    let Some(latest) = latest else {
        return Ok(None);
    };
    let mut all: Vec<AttemptRecord> = latest.into_iter().collect();
    let mut statement = moment.prepare_cached(
        "SELECT number, state, reason, started_at, duration_us, cpu_us, peak_memory, log
         FROM attempt WHERE delivery = ?1 ORDER BY place DESC",
    )?;
    for earlier in statement.query_map([delivery.0], record)? {
        all.push(earlier?);
    }
    Ok(Some(all))
}

fn record(row: &Row<'_>) -> Result<AttemptRecord, rusqlite::Error> {
    let log: Option<String> = row.get(7)?;
    Ok(AttemptRecord {
        number: row.get(0)?,
        outcome: state_of(row.get(1)?)?,
        reason: row.get(2)?,
        started_at: UnixMicros(row.get(3)?),
        duration_us: number(row, 4)?.unwrap_or(0),
        cpu_us: number(row, 5)?.unwrap_or(0),
        peak_memory: number(row, 6)?.unwrap_or(0),
        log: match log {
            Some(text) => serde_json::from_str(&text).map_err(bad_text)?,
            None => Vec::new(),
        },
    })
}
