//! Rows into events and deliveries.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Row;
use uuid::Uuid;

use super::route::name_of;
use crate::types::envelope::decode_payload;
use crate::types::event::Event;
use crate::types::{EventId, EventSeq, PluginKey, StoredEvent, UnixMicros};

/// The columns that [`event_at`] reads, from `event e` and `endpoint n`.
pub(super) const EVENT_COLUMNS: &str = "e.seq, e.id, n.name, e.event_type, e.agent_id, \
     e.session_id, e.occurred_at, e.received_at, e.test_header, e.body";

/// Reads an event whose [`EVENT_COLUMNS`] start at column `at`. The payload
/// isn't stored: it is decoded from the body again.
pub(super) fn event_at(row: &Row<'_>, at: usize) -> Result<StoredEvent, rusqlite::Error> {
    let event_type: String = row.get(at + 3)?;
    let body: Vec<u8> = row.get(at + 9)?;
    let payload = decode_payload(&event_type, &body);
    Ok(StoredEvent {
        seq: EventSeq(row.get(at)?),
        event: Arc::new(Event {
            id: event_id(row, at + 1)?,
            endpoint: name_of(row.get(at + 2)?)?,
            event_type,
            agent_id: row.get(at + 4)?,
            session_id: row.get(at + 5)?,
            occurred_at: row.get(at + 6)?,
            received_at: UnixMicros(row.get(at + 7)?),
            test_header: row.get(at + 8)?,
            body: Bytes::from(body),
            payload,
        }),
    })
}

/// Reads a public id.
pub(super) fn event_id(row: &Row<'_>, at: usize) -> Result<EventId, rusqlite::Error> {
    row.get::<_, [u8; 16]>(at)
        .map(|bytes| EventId(Uuid::from_bytes(bytes)))
}

/// Reads the names of a plugin: its endpoint's, then its own.
pub(super) fn plugin_key(row: &Row<'_>, at: usize) -> Result<PluginKey, rusqlite::Error> {
    Ok(PluginKey {
        endpoint: name_of(row.get(at)?)?,
        plugin: name_of(row.get(at + 1)?)?,
    })
}

/// Reads a number that is never negative.
pub(super) fn number(row: &Row<'_>, at: usize) -> Result<Option<u64>, rusqlite::Error> {
    let value: Option<i64> = row.get(at)?;
    Ok(value.map(|n| u64::try_from(n).unwrap_or(0)))
}

/// How many rows a statement is to give.
pub(super) fn limited(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Reads a text of a sender's for a list. It may be as long as a body, and a list
/// has many: of a long one only the start.
pub(super) fn start_of(row: &Row<'_>, at: usize) -> Result<Option<String>, rusqlite::Error> {
    const LONGEST: usize = 512;
    let Some(text) = row.get_ref(at)?.as_str_or_null()? else {
        return Ok(None);
    };
    let start = &text[..text.floor_char_boundary(LONGEST)];
    let cut = if start.len() < text.len() { "…" } else { "" };
    Ok(Some(format!("{start}{cut}")))
}
