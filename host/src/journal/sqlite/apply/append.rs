//! Storing an event with its deliveries.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{State, count};
use crate::journal::{Appended, DeliveryState, NewEvent, Routed};
use crate::types::{DeliveryId, EventId, EventSeq, StoredEvent};

impl State {
    /// Stores an event; its deliveries are added to `routed`.
    pub(super) fn append(
        &mut self,
        conn: &Connection,
        new: &NewEvent,
        routed: &mut Vec<Routed>,
    ) -> Result<Appended, rusqlite::Error> {
        let event = &new.event;
        let endpoint = self.routes.endpoint(conn, &event.endpoint)?;
        let window = self.options.window_of(&event.endpoint);
        let dedupe = new.dedupe.filter(|_| !window.is_zero());
        if let Some(key) = dedupe {
            let found = self
                .dedupe
                .find(conn, endpoint, key, event.received_at, window)?;
            if let Some(of) = found {
                return match stored(conn, event.id)? {
                    Some(earlier) if of == event.id => Ok(earlier),
                    _ => Ok(Appended::Duplicate { of }),
                };
            }
        }
        let seq = self.totals.next_event;
        let first = self.totals.next_delivery;
        let before = routed.len();
        for route in self.routes.for_event(event) {
            routed.push(Routed {
                delivery: DeliveryId(first + count(routed.len() - before)),
                plugin: route.key.clone(),
                event: StoredEvent {
                    seq: EventSeq(seq),
                    event: Arc::clone(event),
                },
            });
            conn.prepare_cached(
                "INSERT INTO delivery (id, event, plugin, state, attempts, traps)
                 VALUES (?1, ?2, ?3, 0, 0, 0)",
            )?
            .execute(params![
                first + count(routed.len() - before - 1),
                seq,
                route.id
            ])?;
        }
        let deliveries = routed.len() - before;
        let inserted = conn
            .prepare_cached(
                "INSERT INTO event (seq, id, endpoint, event_type, agent_id, session_id,
                   occurred_at, received_at, test_header, first_delivery, deliveries, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                 ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![
                seq,
                &event.id.0.as_bytes()[..],
                endpoint,
                event.event_type,
                event.agent_id,
                event.session_id,
                event.occurred_at,
                event.received_at.0,
                event.test_header,
                first,
                count(deliveries),
                &event.body[..]
            ])?;
        if inserted == 0 {
            return repeated(conn, event.id, first, before, routed);
        }
        if let Some(key) = dedupe {
            self.dedupe
                .remember(conn, endpoint, key, event.id, event.received_at)?;
        }
        self.totals.events += 1;
        self.totals.next_event += 1;
        self.totals.next_delivery += count(deliveries);
        self.totals.add(DeliveryState::Pending, count(deliveries));
        Ok(Appended::Stored {
            seq: EventSeq(seq),
            deliveries,
        })
    }
}

/// The same append a second time, after an unconfirmed first one that turned
/// out to be stored: takes back what was prepared and answers as the first.
#[cold]
fn repeated(
    conn: &Connection,
    id: EventId,
    first: i64,
    before: usize,
    routed: &mut Vec<Routed>,
) -> Result<Appended, rusqlite::Error> {
    routed.truncate(before);
    conn.prepare_cached("DELETE FROM delivery WHERE id >= ?1")?
        .execute([first])?;
    stored(conn, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// An event that is there already, as its append answered.
fn stored(conn: &Connection, id: EventId) -> Result<Option<Appended>, rusqlite::Error> {
    conn.prepare_cached("SELECT seq, deliveries FROM event WHERE id = ?1")?
        .query_row([&id.0.as_bytes()[..]], |row| {
            Ok(Appended::Stored {
                seq: EventSeq(row.get(0)?),
                deliveries: usize::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
            })
        })
        .optional()
}
