//! Events for people.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::route::name_of;
use super::super::rows::{EVENT_COLUMNS, event_at, event_id, limited, number, start_of};
use super::newest::Scan;
use crate::journal::{EventFilter, EventRecord};
use crate::types::{EventId, EventSeq, StoredEvent, UnixMicros};

/// Events looked at in one statement.
const SCAN: i64 = 2048;

/// See [`Journal::event`](crate::journal::Inspect::event).
pub(in super::super) fn event(
    conn: &Connection,
    id: EventId,
) -> Result<Option<StoredEvent>, rusqlite::Error> {
    conn.prepare_cached(&format!(
        "SELECT {EVENT_COLUMNS} FROM event e JOIN endpoint n ON n.id = e.endpoint WHERE e.id = ?1"
    ))?
    .query_row([&id.0.as_bytes()[..]], |row| event_at(row, 0))
    .optional()
}

/// See [`Inspect::events`](crate::journal::Inspect::events).
pub(in super::super) fn events(
    conn: &Connection,
    filter: &EventFilter,
    limit: usize,
) -> Result<Vec<EventRecord>, rusqlite::Error> {
    let endpoint: Option<i64> = match &filter.endpoint {
        None => None,
        Some(name) => {
            let id = conn
                .prepare_cached("SELECT id FROM endpoint WHERE name = ?1")?
                .query_row([name.as_str()], |row| row.get(0))
                .optional()?;
            match id {
                Some(id) => Some(id),
                None => return Ok(Vec::new()),
            }
        }
    };
    let mut statement = conn.prepare_cached(
        "SELECT e.id, e.seq, n.name, e.event_type, e.agent_id, e.session_id, e.received_at,
           e.deliveries
         FROM event e JOIN endpoint n ON n.id = e.endpoint
         WHERE e.seq >= ?1 AND e.seq < ?2 AND (?3 IS NULL OR e.endpoint = ?3)
           AND (?4 IS NULL OR e.event_type = ?4)
         ORDER BY e.seq DESC LIMIT ?5",
    )?;
    let scan = Scan {
        table: "event",
        key: "seq",
        step: SCAN,
        before: filter.before.map_or(i64::MAX, |before| before.0),
    };
    scan.run(conn, limit, |first, end, missing| {
        let missing = limited(missing);
        statement
            .query_map(
                params![first, end, endpoint, filter.event_type, missing],
                record,
            )?
            .collect()
    })
}

fn record(row: &Row<'_>) -> Result<EventRecord, rusqlite::Error> {
    Ok(EventRecord {
        id: event_id(row, 0)?,
        seq: EventSeq(row.get(1)?),
        endpoint: name_of(row.get(2)?)?,
        event_type: start_of(row, 3)?.unwrap_or_default(),
        agent_id: start_of(row, 4)?,
        session_id: start_of(row, 5)?,
        received_at: UnixMicros(row.get(6)?),
        deliveries: number(row, 7)?.unwrap_or(0),
    })
}
