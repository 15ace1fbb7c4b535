//! Totals and next numbers, kept so that nothing ever counts rows.

use rusqlite::{Connection, params};

use crate::journal::{Counts, DeliveryState, OutboxState};

/// The `totals` row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    /// Events in the store.
    pub(super) events: i64,
    /// Deliveries by state, as [`state_code`] numbers them.
    pub(super) deliveries: [i64; 4],
    /// The number of the next event.
    pub(super) next_event: i64,
    /// The number of the next delivery.
    pub(super) next_delivery: i64,
    /// The latest finish that wrote key-value.
    pub(super) kv_version: i64,
    /// Requests that wait to be sent.
    pub(super) outbox_pending: i64,
    /// Requests that were given up.
    pub(super) outbox_dead: i64,
    /// The number of the next request.
    pub(super) next_outbox: i64,
}

impl Totals {
    /// Reads the row.
    pub(super) fn load(conn: &Connection) -> Result<Self, rusqlite::Error> {
        conn.prepare_cached(
            "SELECT events, pending, done, ignored, dead, next_event, next_delivery,
               kv_version, outbox_pending, outbox_dead, next_outbox FROM totals",
        )?
        .query_row([], |row| {
            Ok(Self {
                events: row.get(0)?,
                deliveries: [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?],
                next_event: row.get(5)?,
                next_delivery: row.get(6)?,
                kv_version: row.get(7)?,
                outbox_pending: row.get(8)?,
                outbox_dead: row.get(9)?,
                next_outbox: row.get(10)?,
            })
        })
    }

    /// Writes the row.
    pub(super) fn save(&self, conn: &Connection) -> Result<(), rusqlite::Error> {
        let [pending, done, ignored, dead] = self.deliveries;
        conn.prepare_cached(
            "UPDATE totals SET events = ?1, pending = ?2, done = ?3, ignored = ?4, dead = ?5,
             next_event = ?6, next_delivery = ?7, kv_version = ?8, outbox_pending = ?9,
             outbox_dead = ?10, next_outbox = ?11",
        )?
        .execute(params![
            self.events,
            pending,
            done,
            ignored,
            dead,
            self.next_event,
            self.next_delivery,
            self.kv_version,
            self.outbox_pending,
            self.outbox_dead,
            self.next_outbox
        ])?;
        Ok(())
    }

    /// Moves deliveries from one state to another.
    pub(super) fn shift(&mut self, from: DeliveryState, to: DeliveryState, count: i64) {
        self.deliveries[index(from)] -= count;
        self.deliveries[index(to)] += count;
    }

    /// Adds to the deliveries in a state.
    pub(super) fn add(&mut self, state: DeliveryState, count: i64) {
        self.deliveries[index(state)] += count;
    }
}

impl From<Totals> for Counts {
    fn from(totals: Totals) -> Self {
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let [pending, done, ignored, dead] = totals.deliveries;
        Self {
            events: count(totals.events),
            pending: count(pending),
            done: count(done),
            ignored: count(ignored),
            dead: count(dead),
            outbox_pending: count(totals.outbox_pending),
            outbox_dead: count(totals.outbox_dead),
        }
    }
}

/// A state as the file numbers it.
pub(super) fn state_code(state: DeliveryState) -> i64 {
    match state {
        DeliveryState::Pending => 0,
        DeliveryState::Done => 1,
        DeliveryState::Ignored => 2,
        DeliveryState::Dead => 3,
    }
}

/// The state with this number.
pub(super) fn state_of(code: i64) -> Result<DeliveryState, rusqlite::Error> {
    match code {
        0 => Ok(DeliveryState::Pending),
        1 => Ok(DeliveryState::Done),
        2 => Ok(DeliveryState::Ignored),
        3 => Ok(DeliveryState::Dead),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(0, other)),
    }
}

/// A request's state as the file numbers it.
pub(super) fn outbox_code(state: OutboxState) -> i64 {
    match state {
        OutboxState::Pending => 0,
        OutboxState::Sent => 1,
        OutboxState::Dead => 2,
    }
}

/// The state of a request with this number.
pub(super) fn outbox_state_of(code: i64) -> Result<OutboxState, rusqlite::Error> {
    match code {
        0 => Ok(OutboxState::Pending),
        1 => Ok(OutboxState::Sent),
        2 => Ok(OutboxState::Dead),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(0, other)),
    }
}

/// A state's place in [`Totals::deliveries`].
pub(super) fn index(state: DeliveryState) -> usize {
    match state {
        DeliveryState::Pending => 0,
        DeliveryState::Done => 1,
        DeliveryState::Ignored => 2,
        DeliveryState::Dead => 3,
    }
}
