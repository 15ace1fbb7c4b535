//! Requests to send, for the sender and for people.

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use super::super::route::{bad_text, plugin_row};
use super::super::rows::{event_id, limited, plugin_key};
use super::super::totals::{outbox_code, outbox_state_of};
use super::newest::{Plugins, Scan};
use crate::journal::{DueRequest, OutboxFilter, OutboxPage, OutboxRecord, OutboxState, PAGE_BYTES};
use crate::types::effects::OutgoingRequest;
use crate::types::{DeliveryId, OutboxId, PluginKey, UnixMicros};

/// Requests looked at in one statement where no index leads to the wanted ones.
const SCAN: i64 = 8192;

/// See [`Outbox::outbox_plugins`](crate::journal::Outbox::outbox_plugins).
pub(in super::super) fn outbox_plugins(
    conn: &Connection,
) -> Result<Vec<(PluginKey, UnixMicros)>, rusqlite::Error> {
    // A look at the start of each plugin's part of the index.
    let mut statement = conn.prepare_cached(
        "SELECT n.name, p.name,
           (SELECT min(o.due_at) FROM outbox o WHERE o.plugin = p.id AND o.state = 0)
         FROM plugin p JOIN endpoint n ON n.id = p.endpoint ORDER BY n.name, p.name",
    )?;
    let all = statement.query_map([], |row| {
        Ok((plugin_key(row, 0)?, row.get::<_, Option<i64>>(2)?))
    })?;
    let mut waiting = Vec::new();
    for one in all {
        let (plugin, due_at) = one?;
        if let Some(due_at) = due_at {
            waiting.push((plugin, UnixMicros(due_at)));
        }
    }
    Ok(waiting)
}

/// See [`Outbox::outbox_due`](crate::journal::Outbox::outbox_due).
pub(in super::super) fn outbox_due(
    conn: &Connection,
    plugin: &PluginKey,
    now: UnixMicros,
    known: &[OutboxId],
    limit: usize,
) -> Result<OutboxPage, rusqlite::Error> {
    let mut page = OutboxPage::default();
    // One moment: what the index names is still pending when it is read.
    let moment = conn.unchecked_transaction()?;
    let Some(plugin) = plugin_row(&moment, plugin)? else {
        return Ok(page);
    };
    let mut index = moment.prepare_cached(
        "SELECT id, due_at FROM outbox WHERE plugin = ?1 AND state = 0 ORDER BY due_at, id",
    )?;
    let mut rows = index.query([plugin])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let (id, due_at) = (OutboxId(row.get(0)?), UnixMicros(row.get(1)?));
        if known.contains(&id) {
            continue;
        }
        if due_at > now || page.requests.len() >= limit || bytes >= PAGE_BYTES {
            page.next_due = Some(due_at);
            break;
        }
        let request = due_request(&moment, id)?;
        bytes += request.request.body.len();
        page.requests.push(request);
    }
    Ok(page)
}

fn due_request(conn: &Connection, id: OutboxId) -> Result<DueRequest, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT e.id, o.delivery, o.idx, o.attempts, o.queued_at, o.method, o.url, o.headers,
           o.body FROM outbox o JOIN event e ON e.seq = o.event WHERE o.id = ?1",
    )?
    .query_row([id.0], |row| {
        let headers: String = row.get(7)?;
        Ok(DueRequest {
            id,
            event: event_id(row, 0)?,
            delivery: DeliveryId(row.get(1)?),
            index: row.get(2)?,
            failed_attempts: row.get(3)?,
            queued_at: UnixMicros(row.get(4)?),
            request: OutgoingRequest {
                method: row.get(5)?,
                url: row.get(6)?,
                headers: serde_json::from_str(&headers).map_err(bad_text)?,
                body: Bytes::from(row.get::<_, Vec<u8>>(8)?),
            },
        })
    })
}

/// See [`Inspect::outbox`](crate::journal::Inspect::outbox).
pub(in super::super) fn outbox(
    conn: &Connection,
    filter: &OutboxFilter,
    limit: usize,
) -> Result<Vec<OutboxRecord>, rusqlite::Error> {
    let Some(plugins) = Plugins::of(conn, filter.plugin.as_ref())? else {
        return Ok(Vec::new());
    };
    let plugin = plugins.one();
    let before = filter.before.map_or(i64::MAX, |before| before.0);
    let state = filter.state.map(outbox_code);
    if let Some(delivery) = filter.delivery {
        return conn
            .prepare_cached(&select(
                "o.event = (SELECT d.event FROM delivery d WHERE d.id = ?1) AND o.delivery = ?1
                 AND o.id < ?2 AND (?3 IS NULL OR o.plugin = ?3) AND (?4 IS NULL OR o.state = ?4)
                 ORDER BY o.id DESC LIMIT ?5",
            ))?
            .query_map(
                params![delivery.0, before, plugin, state, limited(limit)],
                record,
            )?
            .collect();
    }
    match filter.state {
        Some(OutboxState::Dead) => dead(conn, &plugins, before, limit),
        _ => backwards(conn, plugin, state, before, limit),
    }
}

/// Dead requests have an index by plugin.
fn dead(
    conn: &Connection,
    plugins: &Plugins,
    before: i64,
    limit: usize,
) -> Result<Vec<OutboxRecord>, rusqlite::Error> {
    let mut statement = conn.prepare_cached(&select(
        "o.state = 2 AND o.plugin = ?1 AND o.id < ?2 ORDER BY o.id DESC LIMIT ?3",
    ))?;
    let mut found = Vec::new();
    for id in plugins.rows(conn)? {
        let page = statement.query_map(params![id, before, limited(limit)], record)?;
        found.extend(page.collect::<Result<Vec<_>, _>>()?);
    }
    found.sort_by_key(|record: &OutboxRecord| std::cmp::Reverse(record.id));
    found.truncate(limit);
    Ok(found)
}

/// From the newest request down.
fn backwards(
    conn: &Connection,
    plugin: Option<i64>,
    state: Option<i64>,
    before: i64,
    limit: usize,
) -> Result<Vec<OutboxRecord>, rusqlite::Error> {
    let mut statement = conn.prepare_cached(&select(
        "o.id >= ?1 AND o.id < ?2 AND (?3 IS NULL OR o.plugin = ?3)
         AND (?4 IS NULL OR o.state = ?4) ORDER BY o.id DESC LIMIT ?5",
    ))?;
    let scan = Scan {
        table: "outbox",
        key: "id",
        step: SCAN,
        before,
    };
    scan.run(conn, limit, |first, end, missing| {
        statement
            .query_map(params![first, end, plugin, state, limited(missing)], record)?
            .collect()
    })
}

fn select(condition: &str) -> String {
    format!(
        "SELECT o.id, n.name, p.name, e.id, o.delivery, o.idx, o.method, o.target, o.state,
           o.attempts, o.queued_at, o.due_at, o.status, o.reason
         FROM outbox o JOIN event e ON e.seq = o.event
         JOIN plugin p ON p.id = o.plugin JOIN endpoint n ON n.id = p.endpoint
         WHERE {condition}"
    )
}

fn record(row: &Row<'_>) -> Result<OutboxRecord, rusqlite::Error> {
    Ok(OutboxRecord {
        id: OutboxId(row.get(0)?),
        plugin: plugin_key(row, 1)?,
        event: event_id(row, 3)?,
        delivery: DeliveryId(row.get(4)?),
        index: row.get(5)?,
        method: row.get(6)?,
        target: row.get(7)?,
        state: outbox_state_of(row.get(8)?)?,
        attempts: row.get(9)?,
        queued_at: UnixMicros(row.get(10)?),
        due_at: row.get::<_, Option<i64>>(11)?.map(UnixMicros),
        status: row.get(12)?,
        reason: row.get(13)?,
    })
}
