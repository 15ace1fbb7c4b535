//! Which stored events a replay is for: read beside the writer, which then only
//! adds the deliveries.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::route::subscription;
use super::super::rows::{EVENT_COLUMNS, event_at, limited};
use crate::journal::{PAGE_BYTES, Replay};
use crate::types::{EventSeq, Subscription};

/// Events looked at in one step.
const STEP: usize = 512;

/// What one step found.
#[derive(Debug, Default)]
pub(in super::super) struct Found {
    /// The events that fit.
    pub(in super::super) events: Vec<EventSeq>,
    /// How many events were looked at.
    pub(in super::super) seen: u64,
    /// Where the next step goes on.
    pub(in super::super) next: Option<EventSeq>,
}

/// The next few events that fit a replay; none if its plugin isn't on the list.
pub(in super::super) fn replayed(
    conn: &Connection,
    replay: &Replay,
) -> Result<Found, rusqlite::Error> {
    let mut found = Found::default();
    let Some(subscription) = subscription(conn, &replay.plugin)? else {
        return Ok(found);
    };
    let mut statement = conn.prepare_cached(
        "SELECT e.seq, n.name, e.received_at, e.event_type FROM event e
         JOIN endpoint n ON n.id = e.endpoint
         WHERE e.seq > ?1 AND e.seq <= ?2 ORDER BY e.seq LIMIT ?3",
    )?;
    let through = replay.through.map_or(i64::MAX, |through| through.0);
    let mut rows = statement.query(params![replay.after.0, through, limited(STEP)])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let seq = EventSeq(row.get(0)?);
        found.seen += 1;
        found.next = Some(seq);
        let received_at: i64 = row.get(2)?;
        let fits = row.get_ref(1)?.as_str()? == replay.plugin.endpoint.as_str()
            && replay.since.is_none_or(|since| received_at >= since.0)
            && replay.until.is_none_or(|until| received_at < until.0)
            && is_among(&replay.types, row.get_ref(3)?.as_str()?);
        if fits && wanted(conn, seq, &subscription, &mut bytes)? {
            found.events.push(seq);
        }
        if bytes >= PAGE_BYTES {
            return Ok(found);
        }
    }
    if found.seen < STEP as u64 {
        found.next = None;
    }
    Ok(found)
}

fn is_among(types: &[String], event_type: &str) -> bool {
    types.is_empty() || types.iter().any(|wanted| wanted == event_type)
}

/// Whether the plugin is for an event; adds up what was read for that.
fn wanted(
    conn: &Connection,
    seq: EventSeq,
    subscription: &Subscription,
    bytes: &mut usize,
) -> Result<bool, rusqlite::Error> {
    let stored = conn
        .prepare_cached(&format!(
            "SELECT {EVENT_COLUMNS} FROM event e JOIN endpoint n ON n.id = e.endpoint
             WHERE e.seq = ?1"
        ))?
        .query_row([seq.0], |row| event_at(row, 0))
        .optional()?;
    Ok(stored.is_some_and(|stored| {
        *bytes += stored.event.body.len();
        subscription.wants(&stored.event)
    }))
}
