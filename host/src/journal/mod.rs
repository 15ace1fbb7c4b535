//! What is stored: events, deliveries, what handlers keep and what they want
//! sent. Engines behind one trait.
//!
//! Ingest appends an event and answers when [`Intake::append`] returns: by then
//! the event and its deliveries are on disk, in one commit. The same commit's
//! deliveries are then pushed, in the order of their ids, into the [`Feed`] that
//! the engine was opened with; dispatch runs them from memory and reads pages
//! from the store only after a start or when a backlog outgrows its memory.
//! Dispatch ends an attempt with [`Queue::finish`]: the outcome and the handler's
//! effects (key-value, counters, outbox) are one commit as well.
//!
//! The trait is the sum of what each user of it needs, one file each:
//!
//! | trait | for | does |
//! | --- | --- | --- |
//! | [`Intake`] | ingest | stores events |
//! | [`Queue`] | dispatch | pending deliveries and their outcomes |
//! | [`KeyValue`] | handlers, through dispatch | reads entries |
//! | [`Outbox`] | the sender | pending requests and their outcomes |
//! | [`Roster`] | the plugins folder | the durable list of plugins |
//! | [`Inspect`] | the admin API | what is there |
//! | [`Operate`] | the admin API | retry and replay |
//! | [`Upkeep`] | the service | cleaning, closing |
//!
//! Nothing in them is tied to one machine: ids come from the engine, no call
//! hands out a transaction, and each call is safe to repeat after
//! [`JournalError::Unconfirmed`].

mod error;
mod feed;
mod inspect;
mod intake;
mod keyvalue;
mod operate;
mod outbox;
mod queue;
mod roster;
pub mod sqlite;
mod upkeep;

use std::collections::BTreeMap;
use std::time::Duration;

pub use error::JournalError;
pub use feed::{Feed, FeedItem, Routed};
pub use inspect::{
    AttemptRecord, Counter, Counts, DeliveryFilter, DeliveryRecord, DeliveryState, EventFilter,
    EventRecord, Inspect, OutboxFilter, OutboxRecord, OutboxState,
};
pub use intake::{Appended, Intake, NewEvent};
pub use keyvalue::{KV_PAGE, KeyValue};
pub use operate::{Operate, Replay, Replayed, Retried};
pub use outbox::{DueRequest, Outbox, OutboxFinish, OutboxNext, OutboxPage};
pub use queue::{Finish, Next, PAGE_BYTES, Pending, PendingPage, Queue};
pub use roster::{Installed, Roster};
pub use upkeep::{Keep, Upkeep};

use crate::types::EndpointName;

/// A store of events and deliveries that survives the process and the machine's
/// power.
pub trait Journal:
    Intake + Queue + KeyValue + Outbox + Roster + Inspect + Operate + Upkeep
{
}

impl<T> Journal for T where
    T: Intake + Queue + KeyValue + Outbox + Roster + Inspect + Operate + Upkeep
{
}

/// Settings common to all engines.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// For how long the same event counts as a duplicate; zero turns it off.
    pub dedupe_window: Duration,
    /// The endpoints with a window of their own.
    pub dedupe_windows: BTreeMap<EndpointName, Duration>,
    /// For how long deliveries wait for a plugin that was removed.
    pub parked_for: Duration,
    /// Bytes that one plugin may have in key-value: those of values, keys and,
    /// with each key, its bucket's name.
    pub kv_quota: u64,
    /// Counters that one plugin may have.
    pub counters_quota: u64,
    /// Bytes of requests that one plugin may have in the outbox, those that were
    /// given up included: these are kept as long as their events.
    pub outbox_quota: u64,
}

impl JournalOptions {
    /// The dedupe window of an endpoint.
    #[must_use]
    pub fn window_of(&self, endpoint: &EndpointName) -> Duration {
        let own = self.dedupe_windows.get(endpoint).copied();
        own.unwrap_or(self.dedupe_window)
    }

    /// The longest dedupe window that an endpoint may have.
    #[must_use]
    pub fn longest_window(&self) -> Duration {
        let own = self.dedupe_windows.values().copied();
        own.fold(self.dedupe_window, Duration::max)
    }
}

impl Default for JournalOptions {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self {
            dedupe_window: day,
            dedupe_windows: BTreeMap::new(),
            parked_for: day,
            kv_quota: 64 << 20,
            counters_quota: 100_000,
            outbox_quota: 256 << 20,
        }
    }
}
