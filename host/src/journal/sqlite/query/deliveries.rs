//! Deliveries for people.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::rows::{event_id, limited, number, plugin_key, start_of};
use super::super::totals::{state_code, state_of};
use super::Which;
use super::newest::{Plugins, Scan};
use crate::journal::{DeliveryFilter, DeliveryRecord, DeliveryState};
use crate::types::{DeliveryId, EventId, UnixMicros};

/// Deliveries looked at in one statement where no index leads to the wanted ones.
const SCAN: i64 = 8192;

/// See [`Journal::deliveries`](crate::journal::Inspect::deliveries).
pub(in super::super) fn deliveries(
    conn: &Connection,
    filter: &DeliveryFilter,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, rusqlite::Error> {
    let Some(plugins) = Plugins::of(conn, filter.plugin.as_ref())? else {
        return Ok(Vec::new());
    };
    let plugin = plugins.one();
    let before = filter.before.map_or(i64::MAX, |before| before.0);
    if let Some(event) = filter.event {
        return of_event(conn, event, before, plugin, filter.state, limit);
    }
    match filter.state {
        Some(state @ (DeliveryState::Pending | DeliveryState::Dead)) => {
            by_index(conn, state, &plugins, before, limit)
        }
        state => {
            let scan = Scan {
                table: "delivery",
                key: "id",
                step: SCAN,
                before,
            };
            scan.run(conn, limit, |first, end, missing| {
                in_range(conn, first, end, plugin, state, missing)
            })
        }
    }
}

/// An event's deliveries: those that replays made are newer than those that were
/// made with it.
fn of_event(
    conn: &Connection,
    event: EventId,
    before: i64,
    plugin: Option<i64>,
    state: Option<DeliveryState>,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, rusqlite::Error> {
    let range = conn
        .prepare_cached("SELECT seq, first_delivery, deliveries FROM event WHERE id = ?1")?
        .query_row([&event.0.as_bytes()[..]], |row| {
            let (seq, first): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((seq, first, first + row.get::<_, i64>(2)?))
        })
        .optional()?;
    let Some((seq, first, end)) = range else {
        return Ok(Vec::new());
    };
    let mut found = conn
        .prepare_cached(&select(
            "d.event = ?1 AND d.manual = 2 AND d.id < ?2 AND (?3 IS NULL OR d.plugin = ?3)
             AND (?4 IS NULL OR d.state = ?4) ORDER BY d.id DESC LIMIT ?5",
        ))?
        .query_map(
            params![seq, before, plugin, state.map(state_code), limited(limit)],
            record,
        )?
        .collect::<Result<Vec<_>, _>>()?;
    let missing = limit - found.len();
    found.extend(in_range(
        conn,
        first,
        end.min(before),
        plugin,
        state,
        missing,
    )?);
    Ok(found)
}

/// Pending and dead deliveries have an index by plugin: the newest of each
/// plugin, then the newest of these.
fn by_index(
    conn: &Connection,
    state: DeliveryState,
    plugins: &Plugins,
    before: i64,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, rusqlite::Error> {
    let plugins = plugins.rows(conn)?;
    // Written out: only then is a partial index used.
    let indexes: &[String] = match state {
        DeliveryState::Pending => &[Which::Routed, Which::Manual]
            .map(|which| format!("d.state = 0 AND {}", which.condition())),
        _ => &[format!("d.state = {}", state_code(state))],
    };
    let mut found = Vec::new();
    for index in indexes {
        let sql = select(&format!(
            "{index} AND d.plugin = ?1 AND d.id < ?3 ORDER BY d.id DESC LIMIT ?2"
        ));
        let mut statement = conn.prepare_cached(&sql)?;
        for id in &plugins {
            let page = statement.query_map(params![id, limited(limit), before], record)?;
            found.extend(page.collect::<Result<Vec<_>, _>>()?);
        }
    }
    found.sort_by_key(|record: &DeliveryRecord| std::cmp::Reverse(record.id));
    found.truncate(limit);
    Ok(found)
}

/// The deliveries `first..end` that fit, newest first.
fn in_range(
    conn: &Connection,
    first: i64,
    end: i64,
    plugin: Option<i64>,
    state: Option<DeliveryState>,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, rusqlite::Error> {
    conn.prepare_cached(&select(
        "d.id >= ?1 AND d.id < ?2 AND (?3 IS NULL OR d.plugin = ?3)
         AND (?4 IS NULL OR d.state = ?4) ORDER BY d.id DESC LIMIT ?5",
    ))?
    .query_map(
        params![first, end, plugin, state.map(state_code), limited(limit)],
        record,
    )?
    .collect()
}

fn select(condition: &str) -> String {
    format!(
        "SELECT d.id, n.name, p.name, e.id, e.event_type, d.state, d.attempts, d.due_at,
           d.reason, d.duration_us, d.cpu_us, d.peak_memory, e.session_id, d.manual > 0
         FROM delivery d JOIN event e ON e.seq = d.event
         JOIN plugin p ON p.id = d.plugin JOIN endpoint n ON n.id = p.endpoint
         WHERE {condition}"
    )
}

fn record(row: &Row<'_>) -> Result<DeliveryRecord, rusqlite::Error> {
    Ok(DeliveryRecord {
        id: DeliveryId(row.get(0)?),
        plugin: plugin_key(row, 1)?,
        event: event_id(row, 3)?,
        event_type: start_of(row, 4)?.unwrap_or_default(),
        session_id: start_of(row, 12)?,
        state: state_of(row.get(5)?)?,
        manual: row.get(13)?,
        attempts: row.get(6)?,
        due_at: row.get::<_, Option<i64>>(7)?.map(UnixMicros),
        reason: row.get(8)?,
        duration_us: number(row, 9)?,
        cpu_us: number(row, 10)?,
        peak_memory: number(row, 11)?,
    })
}
