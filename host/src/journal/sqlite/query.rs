//! The questions of the journal's readers, one function each.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::route::{name_of, plugin_row};
use super::rows::{EVENT_COLUMNS, event_at, event_id};
use super::totals::{state_code, state_of};
use crate::journal::{
    Counter, DeliveryFilter, DeliveryRecord, DeliveryState, PAGE_BYTES, Pending, PendingPage,
};
use crate::types::{DeliveryId, EventId, PluginKey, StoredEvent, UnixMicros};

/// Deliveries looked at in one statement where no index leads to the wanted ones.
const SCAN: i64 = 8192;

/// See [`Journal::pending`](crate::journal::Queue::pending).
pub(super) fn pending(
    conn: &Connection,
    plugin: &PluginKey,
    after: DeliveryId,
    limit: usize,
) -> Result<PendingPage, rusqlite::Error> {
    let mut page = PendingPage::default();
    let Some(plugin) = plugin_row(conn, plugin)? else {
        return Ok(page);
    };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT d.id, d.attempts, d.traps, d.due_at, {EVENT_COLUMNS}
         FROM delivery d JOIN event e ON e.seq = d.event JOIN endpoint n ON n.id = e.endpoint
         WHERE d.plugin = ?1 AND d.state = 0 AND d.id > ?2 ORDER BY d.id LIMIT ?3"
    ))?;
    let found = statement.query_map(params![plugin, after.0, rows(limit)], |row| {
        Ok(Pending {
            delivery: DeliveryId(row.get(0)?),
            failed_attempts: row.get(1)?,
            traps: row.get(2)?,
            due_at: row.get::<_, Option<i64>>(3)?.map(UnixMicros),
            event: event_at(row, 4)?,
        })
    })?;
    let mut bytes = 0;
    for pending in found {
        let pending = pending?;
        bytes += pending.event.event.body.len();
        page.deliveries.push(pending);
        page.more = bytes >= PAGE_BYTES || page.deliveries.len() >= limit;
        if page.more {
            break;
        }
    }
    Ok(page)
}

/// See [`Journal::event`](crate::journal::Inspect::event).
pub(super) fn event(
    conn: &Connection,
    id: EventId,
) -> Result<Option<StoredEvent>, rusqlite::Error> {
    conn.prepare_cached(&format!(
        "SELECT {EVENT_COLUMNS} FROM event e JOIN endpoint n ON n.id = e.endpoint WHERE e.id = ?1"
    ))?
    .query_row([&id.0.as_bytes()[..]], |row| event_at(row, 0))
    .optional()
}

/// See [`Journal::counters`](crate::journal::Inspect::counters).
pub(super) fn counters(
    conn: &Connection,
    plugin: &PluginKey,
) -> Result<Vec<Counter>, rusqlite::Error> {
    let Some(plugin) = plugin_row(conn, plugin)? else {
        return Ok(Vec::new());
    };
    conn.prepare_cached("SELECT name, value FROM counter WHERE plugin = ?1 ORDER BY name")?
        .query_map([plugin], |row| {
            Ok(Counter {
                name: row.get(0)?,
                value: row.get(1)?,
            })
        })?
        .collect()
}

/// See [`Journal::deliveries`](crate::journal::Inspect::deliveries).
pub(super) fn deliveries(
    conn: &Connection,
    filter: &DeliveryFilter,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, rusqlite::Error> {
    let plugin = match &filter.plugin {
        None => None,
        Some(key) => match plugin_row(conn, key)? {
            Some(id) => Some(id),
            None => return Ok(Vec::new()),
        },
    };
    let before = filter.before.map_or(i64::MAX, |before| before.0);
    if let Some(event) = filter.event {
        let range = conn
            .prepare_cached("SELECT first_delivery, deliveries FROM event WHERE id = ?1")?
            .query_row([&event.0.as_bytes()[..]], |row| {
                let first: i64 = row.get(0)?;
                Ok((first, first + row.get::<_, i64>(1)?))
            })
            .optional()?;
        return match range {
            Some((first, end)) => {
                in_range(conn, first, end.min(before), plugin, filter.state, limit)
            }
            None => Ok(Vec::new()),
        };
    }
    match (filter.state, plugin) {
        (Some(state @ (DeliveryState::Pending | DeliveryState::Dead)), plugin) => {
            by_index(conn, state, plugin, before, limit)
        }
        (state, plugin) => backwards(conn, plugin, state, before, limit),
    }
}

/// Pending and dead deliveries have an index by plugin: the newest of each
/// plugin, then the newest of these.
fn by_index(
    conn: &Connection,
    state: DeliveryState,
    plugin: Option<i64>,
    before: i64,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, rusqlite::Error> {
    let plugins: Vec<i64> = match plugin {
        Some(id) => vec![id],
        None => conn
            .prepare_cached("SELECT id FROM plugin")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?,
    };
    // The state is written out: only then is the partial index used.
    let sql = select(&format!(
        "d.state = {} AND d.plugin = ?1 AND d.id < ?3 ORDER BY d.id DESC LIMIT ?2",
        state_code(state)
    ));
    let mut found = Vec::new();
    for id in plugins {
        let page = conn
            .prepare_cached(&sql)?
            .query_map(params![id, rows(limit), before], record)?
            .collect::<Result<Vec<_>, _>>()?;
        found.extend(page);
    }
    found.sort_by_key(|record: &DeliveryRecord| std::cmp::Reverse(record.id));
    found.truncate(limit);
    Ok(found)
}

/// From the newest delivery down, in bounded statements.
fn backwards(
    conn: &Connection,
    plugin: Option<i64>,
    state: Option<DeliveryState>,
    before: i64,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, rusqlite::Error> {
    let (oldest, newest): (i64, i64) = conn.query_row(
        "SELECT ifnull((SELECT min(id) FROM delivery), 0), ifnull((SELECT max(id) FROM delivery), -1)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut found = Vec::new();
    let mut end = before.min(newest + 1);
    while end > oldest && found.len() < limit {
        let first = (end - SCAN).max(oldest);
        let missing = limit - found.len();
        found.extend(in_range(conn, first, end, plugin, state, missing)?);
        end = first;
    }
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
        params![first, end, plugin, state.map(state_code), rows(limit)],
        record,
    )?
    .collect()
}

fn select(condition: &str) -> String {
    format!(
        "SELECT d.id, n.name, p.name, e.id, e.event_type, d.state, d.attempts, d.due_at,
           d.reason, d.duration_us, d.cpu_us, d.peak_memory, e.session_id
         FROM delivery d JOIN event e ON e.seq = d.event
         JOIN plugin p ON p.id = d.plugin JOIN endpoint n ON n.id = p.endpoint
         WHERE {condition}"
    )
}

fn record(row: &Row<'_>) -> Result<DeliveryRecord, rusqlite::Error> {
    Ok(DeliveryRecord {
        id: DeliveryId(row.get(0)?),
        plugin: PluginKey {
            endpoint: name_of(row.get(1)?)?,
            plugin: name_of(row.get(2)?)?,
        },
        event: event_id(row, 3)?,
        event_type: row.get(4)?,
        session_id: row.get(12)?,
        state: state_of(row.get(5)?)?,
        manual: false,
        attempts: row.get(6)?,
        due_at: row.get::<_, Option<i64>>(7)?.map(UnixMicros),
        reason: row.get(8)?,
        duration_us: number(row, 9)?,
        cpu_us: number(row, 10)?,
        peak_memory: number(row, 11)?,
    })
}

fn number(row: &Row<'_>, at: usize) -> Result<Option<u64>, rusqlite::Error> {
    let value: Option<i64> = row.get(at)?;
    Ok(value.map(|n| u64::try_from(n).unwrap_or(0)))
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
