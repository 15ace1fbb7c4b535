//! Pages of pending deliveries.

use rusqlite::{Connection, params};

use super::super::route::plugin_row;
use super::super::rows::{EVENT_COLUMNS, event_at, limited};
use crate::journal::{PAGE_BYTES, Pending, PendingPage};
use crate::types::{DeliveryId, PluginKey, UnixMicros};

/// Which pending deliveries.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Which {
    /// Those that were made with their events.
    Routed,
    /// Those that an operator asked for.
    Manual,
}

impl Which {
    /// Written out: only then is the partial index used.
    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::Routed => "d.manual = 0",
            Self::Manual => "d.manual > 0",
        }
    }
}

/// See [`Journal::pending`](crate::journal::Queue::pending).
pub(in super::super) fn pending(
    conn: &Connection,
    plugin: &PluginKey,
    which: Which,
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
         WHERE d.plugin = ?1 AND d.state = 0 AND {} AND d.id > ?2 ORDER BY d.id LIMIT ?3",
        which.condition()
    ))?;
    let found = statement.query_map(params![plugin, after.0, limited(limit)], |row| {
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
