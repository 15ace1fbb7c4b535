//! What each request does to the file, inside the batch's transaction.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::clean::{self, Cleaned};
use super::dedupe::Dedupe;
use super::route::Routes;
use super::totals::{Totals, state_code};
use crate::journal::{
    Appended, DeliveryState, Finish, Installed, JournalError, JournalOptions, NewEvent, Next,
    Routed,
};
use crate::types::effects::CounterAdd;
use crate::types::{DeliveryId, EventId, EventSeq, PluginKey, StoredEvent, UnixMicros};

/// A write, as the writer thread gets it.
#[derive(Debug)]
pub(super) enum Op {
    /// Store an event.
    Append(NewEvent),
    /// Store an outcome.
    Finish(Box<Finish>),
    /// Put a plugin on the list.
    Install(Installed),
    /// Take a plugin off the list.
    Uninstall(PluginKey),
    /// Tell the list.
    Installed,
    /// One small step of cleaning up.
    Clean(clean::Step),
}

impl Op {
    /// Roughly how many bytes it adds to a transaction.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Append(new) => new.event.body.len() + 256,
            Self::Finish(finish) => finish.next.reason().map_or(0, str::len) + 256,
            Self::Clean(_) => 64 * 1024,
            _ => 256,
        }
    }
}

/// What a write answers.
#[derive(Debug)]
pub(super) enum Value {
    Unit,
    Appended(Appended),
    Installed(Vec<Installed>),
    Cleaned(Cleaned),
}

/// What the writer holds in memory of the file. Always as committed, except
/// inside a batch; after a failed one it is loaded again.
#[derive(Debug)]
pub(super) struct State {
    pub(super) routes: Routes,
    pub(super) totals: Totals,
    pub(super) dedupe: Dedupe,
    pub(super) parked_for: Duration,
}

impl State {
    /// Reads everything from the file.
    pub(super) fn load(
        conn: &Connection,
        options: &JournalOptions,
    ) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            routes: Routes::load(conn)?,
            totals: Totals::load(conn)?,
            dedupe: Dedupe::load(conn, options.dedupe_window)?,
            parked_for: options.parked_for,
        })
    }

    /// Does one request. The deliveries that it makes are added to `routed`.
    ///
    /// The outer error fails the whole batch; the inner one is the request's own.
    pub(super) fn apply(
        &mut self,
        conn: &Connection,
        op: &Op,
        routed: &mut Vec<Routed>,
    ) -> Result<Result<Value, JournalError>, rusqlite::Error> {
        let now = UnixMicros::now;
        let value = match op {
            Op::Append(new) => Value::Appended(self.append(conn, new, routed)?),
            Op::Finish(finish) => {
                if !self.finish(conn, finish)? {
                    return Ok(Err(JournalError::Superseded));
                }
                Value::Unit
            }
            Op::Install(plugin) => {
                self.routes.install(conn, plugin, now())?;
                Value::Unit
            }
            Op::Uninstall(key) => {
                self.routes.uninstall(conn, key, now())?;
                Value::Unit
            }
            Op::Installed => Value::Installed(self.routes.installed()),
            Op::Clean(step) => Value::Cleaned(clean::run(conn, self, *step, now())?),
        };
        Ok(Ok(value))
    }

    fn append(
        &mut self,
        conn: &Connection,
        new: &NewEvent,
        routed: &mut Vec<Routed>,
    ) -> Result<Appended, rusqlite::Error> {
        let event = &new.event;
        let endpoint = self.routes.endpoint(conn, &event.endpoint)?;
        if let Some(key) = new.dedupe
            && let Some(of) = self.dedupe.find(conn, endpoint, key, event.received_at)?
        {
            return match stored(conn, event.id)? {
                Some(earlier) if of == event.id => Ok(earlier),
                _ => Ok(Appended::Duplicate { of }),
            };
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
            return self.repeated(conn, event.id, first, before, routed);
        }
        if let Some(key) = new.dedupe {
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

    /// The same append a second time, after an unconfirmed first one that turned
    /// out to be stored: takes back what was prepared and answers as the first.
    #[cold]
    fn repeated(
        &self,
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

    /// Returns whether the delivery was still pending. A retry leaves it so:
    /// storing the same attempt's outcome again changes nothing then.
    fn finish(&mut self, conn: &Connection, finish: &Finish) -> Result<bool, rusqlite::Error> {
        let (state, due_at) = match &finish.next {
            Next::Done => (DeliveryState::Done, None),
            Next::Ignored { .. } => (DeliveryState::Ignored, None),
            Next::Retry { due_at, .. } => (DeliveryState::Pending, Some(due_at.0)),
            Next::Dead { .. } => (DeliveryState::Dead, None),
        };
        if state == DeliveryState::Pending && has_attempt(conn, finish)? {
            return Ok(true);
        }
        let changed = conn
            .prepare_cached(
                "UPDATE delivery SET state = ?2, attempts = ?3, due_at = ?4, started_at = ?5,
                   duration_us = ?6, cpu_us = ?7, peak_memory = ?8, reason = ?9, traps = ?10
                 WHERE id = ?1 AND state = 0",
            )?
            .execute(params![
                finish.delivery.0,
                state_code(state),
                finish.attempts,
                due_at,
                finish.started_at.0,
                micros(finish.duration),
                micros(finish.cpu),
                i64::try_from(finish.peak_memory).unwrap_or(i64::MAX),
                finish.next.reason(),
                finish.traps
            ])?;
        if changed == 0 {
            return Ok(false);
        }
        self.totals.shift(DeliveryState::Pending, state, 1);
        if !finish.effects.counters.is_empty() {
            let plugin = conn
                .prepare_cached("SELECT plugin FROM delivery WHERE id = ?1")?
                .query_row([finish.delivery.0], |row| row.get(0))?;
            for add in &finish.effects.counters {
                count_up(conn, plugin, add)?;
            }
        }
        Ok(true)
    }
}

/// Whether the pending delivery has this attempt, or a later one, already.
fn has_attempt(conn: &Connection, finish: &Finish) -> Result<bool, rusqlite::Error> {
    conn.prepare_cached("SELECT 1 FROM delivery WHERE id = ?1 AND state = 0 AND attempts >= ?2")?
        .exists(params![finish.delivery.0, finish.attempts])
}

/// Adds to a counter; the sum stops at the ends of the range.
fn count_up(conn: &Connection, plugin: i64, add: &CounterAdd) -> Result<(), rusqlite::Error> {
    let value: i64 = conn
        .prepare_cached("SELECT value FROM counter WHERE plugin = ?1 AND name = ?2")?
        .query_row(params![plugin, add.name], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    conn.prepare_cached(
        "INSERT INTO counter (plugin, name, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![plugin, add.name, value.saturating_add(add.delta)])?;
    Ok(())
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

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Effects;

    #[test]
    fn an_outcome_weighs_as_much_as_its_reason() {
        let finish = Finish {
            delivery: DeliveryId(1),
            next: Next::Dead {
                reason: "x".repeat(2000),
            },
            attempts: 1,
            traps: 0,
            started_at: UnixMicros(0),
            duration: Duration::ZERO,
            cpu: Duration::ZERO,
            peak_memory: 0,
            log: Vec::new(),
            effects: Effects::default(),
        };
        assert!(Op::Finish(Box::new(finish)).weight() > 2000);
    }
}
