//! What is stored: events, deliveries and what handlers keep. Engines behind
//! one trait.
//!
//! Ingest appends an event and answers when [`Journal::append`] returns: by then
//! the event and its deliveries are on disk, in one commit. The same commit's
//! deliveries are then pushed, in the order of their ids, into the [`Feed`] that
//! the engine was opened with; dispatch runs them from memory and reads pages
//! from the store only after a start or when a backlog outgrows its memory.
//! Dispatch ends an attempt with [`Journal::finish`]: the outcome and the
//! handler's effects are one commit as well.
//!
//! Nothing in the trait is tied to one machine: ids come from the engine, no
//! call hands out a transaction, and each call is safe to repeat after
//! [`JournalError::Unconfirmed`].

pub mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::types::event::Event;
use crate::types::{
    DedupeKey, DeliveryId, EventId, EventSeq, PluginKey, StoredEvent, Subscription, UnixMicros,
};

/// A store of events and deliveries that survives the process and the machine's
/// power.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Stores an event together with a delivery for each installed plugin that
    /// wants it, and returns when both are on disk.
    ///
    /// With a dedupe key that an earlier event of the endpoint has, inside the
    /// dedupe window, nothing is stored and that event is named. It is on disk
    /// by then, even if both came in at the same moment.
    ///
    /// Cancelling the future doesn't undo the append.
    ///
    /// # Errors
    /// [`JournalError::Full`], [`JournalError::Unconfirmed`] or
    /// [`JournalError::Closed`].
    async fn append(&self, event: NewEvent) -> Result<Appended, JournalError>;

    /// Stores how an attempt ended, with its effects, in one commit. Returns
    /// when it is on disk.
    ///
    /// A delivery that has been finished by someone else in the meantime is left
    /// as it is: the call returns [`JournalError::Superseded`] and none of the
    /// effects are kept. A [`Next::Retry`] that is stored already counts once.
    ///
    /// # Errors
    /// As for [`Journal::append`], and [`JournalError::Superseded`].
    async fn finish(&self, finish: Finish) -> Result<(), JournalError>;

    /// Puts a plugin on the durable list of installed plugins, or changes its
    /// subscription. Events stored from then on are routed to it, and what was
    /// parked for it is pending again.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    async fn install(&self, plugin: Installed) -> Result<(), JournalError>;

    /// Takes a plugin off the list. Its pending deliveries are parked from now
    /// on: after [`JournalOptions::parked_for`] they are dead.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    async fn uninstall(&self, plugin: PluginKey) -> Result<(), JournalError>;

    /// The plugins on the list.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    async fn installed(&self) -> Result<Vec<Installed>, JournalError>;

    /// A plugin's pending deliveries with ids above `after`, in the order of
    /// their ids: at most `limit`, and no more than [`PAGE_BYTES`] of bodies, but
    /// at least one if there is one.
    ///
    /// # Errors
    /// [`JournalError::Read`] or [`JournalError::Closed`].
    async fn pending(
        &self,
        plugin: PluginKey,
        after: DeliveryId,
        limit: usize,
    ) -> Result<PendingPage, JournalError>;

    /// An event by its public id.
    ///
    /// # Errors
    /// As for [`Journal::pending`].
    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, JournalError>;

    /// The deliveries that pass the filter, newest first, at most `limit`.
    ///
    /// # Errors
    /// As for [`Journal::pending`].
    async fn deliveries(
        &self,
        filter: DeliveryFilter,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError>;

    /// A plugin's counters, sorted by name.
    ///
    /// # Errors
    /// As for [`Journal::pending`].
    async fn counters(&self, plugin: PluginKey) -> Result<Vec<Counter>, JournalError>;

    /// How many deliveries there are in each state, for metrics and `demo`.
    ///
    /// # Errors
    /// As for [`Journal::pending`].
    async fn counts(&self) -> Result<Counts, JournalError>;

    /// Removes finished events that were received before `before`, and ends
    /// deliveries that have been parked for too long. Works in small steps
    /// between other writes; returns how many events it removed.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    async fn clean(&self, before: UnixMicros) -> Result<u64, JournalError>;

    /// Stores what has been accepted, stops the engine and frees its files.
    /// Later calls get [`JournalError::Closed`].
    async fn close(&self);
}

/// Where committed deliveries go: called by the engine, in the order of ids,
/// after their commit and before [`Journal::append`] returns. It must not block.
pub type Feed = Arc<dyn Fn(FeedItem) + Send + Sync>;

/// What an engine tells dispatch.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// These deliveries were committed.
    Routed(Vec<Routed>),
    /// The engine has reopened its files after an unconfirmed write, and there
    /// may be deliveries that were never announced: read
    /// [`Journal::pending`] again, skipping what is already known.
    Reread,
}

/// Settings common to all engines.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// For how long the same event counts as a duplicate; zero turns it off.
    pub dedupe_window: Duration,
    /// For how long deliveries wait for a plugin that was removed.
    pub parked_for: Duration,
}

impl Default for JournalOptions {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self {
            dedupe_window: day,
            parked_for: day,
        }
    }
}

/// An event to be stored.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The event.
    pub event: Arc<Event>,
    /// What makes a second one the same; `None` is never a duplicate.
    pub dedupe: Option<DedupeKey>,
}

/// What became of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is on disk.
    Stored {
        /// The event's number.
        seq: EventSeq,
        /// How many plugins it is for.
        deliveries: usize,
    },
    /// An earlier event with the same key is on disk.
    Duplicate {
        /// That event.
        of: EventId,
    },
}

/// A line of the durable list of installed plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Which plugin.
    pub key: PluginKey,
    /// What it is to get.
    pub subscription: Subscription,
}

/// A new delivery, fresh from its commit.
#[derive(Clone, Debug)]
pub struct Routed {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Whom it is for.
    pub plugin: PluginKey,
    /// The event.
    pub event: StoredEvent,
}

/// Where a page of pending deliveries ends, in bytes of bodies.
pub const PAGE_BYTES: usize = 8 << 20;

/// Some of a plugin's pending deliveries.
#[derive(Clone, Debug, Default)]
pub struct PendingPage {
    /// In the order of their ids.
    pub deliveries: Vec<Pending>,
    /// Whether there may be more after them.
    pub more: bool,
}

/// A delivery that waits for an attempt, as read from the store.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The event.
    pub event: StoredEvent,
    /// How many attempts have failed.
    pub failed_attempts: u32,
    /// How many of them trapped or hit a limit.
    pub traps: u32,
    /// Not to be tried before this moment.
    pub due_at: Option<UnixMicros>,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The delivery.
    pub delivery: DeliveryId,
    /// What happens to it next.
    pub next: Next,
    /// How many attempts there have been, this one included.
    pub attempts: u32,
    /// How many of them trapped or hit a limit.
    pub traps: u32,
    /// When the attempt started.
    pub started_at: UnixMicros,
    /// How long it took.
    pub duration: Duration,
    /// How much CPU time the handler used.
    pub cpu: Duration,
    /// The most memory that the handler had, in bytes.
    pub peak_memory: u64,
    /// What the handler wants kept; empty unless it succeeded.
    pub effects: Effects,
}

/// What happens to a delivery after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is done.
    Done,
    /// The plugin has no handler for it; closed without an attempt.
    Ignored {
        /// Why.
        reason: String,
    },
    /// The attempt failed; the next one isn't to start before `due_at`.
    Retry {
        /// When.
        due_at: UnixMicros,
        /// Why it failed.
        reason: String,
    },
    /// It failed for good.
    Dead {
        /// Why.
        reason: String,
    },
}

impl Next {
    /// Why it failed, is ignored or is dead.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Done => None,
            Self::Ignored { reason } | Self::Retry { reason, .. } | Self::Dead { reason } => {
                Some(reason)
            }
        }
    }
}

/// What a handler changed, kept in the commit of its outcome or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Counters to add to: merged when committed, so they never conflict.
    pub counters: Vec<CounterAdd>,
}

/// One addition to a counter of the delivery's plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterAdd {
    /// The counter's name.
    pub name: String,
    /// How much to add; wraps nowhere: sums stop at the ends of the range.
    pub delta: i64,
}

/// A counter's name and sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counter {
    /// The name.
    pub name: String,
    /// The sum of what was added.
    pub value: i64,
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It waits for an attempt, or one is running.
    Pending,
    /// A handler has handled it.
    Done,
    /// The plugin has no handler for it.
    Ignored,
    /// It will not be tried again.
    Dead,
}

/// Which deliveries to list; everything that is `None` doesn't filter.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Of this event.
    pub event: Option<EventId>,
    /// Of this plugin.
    pub plugin: Option<PluginKey>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Older than this one: what comes after a page that ended with it.
    pub before: Option<DeliveryId>,
}

/// A delivery with its latest attempt, for people.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryRecord {
    /// The delivery.
    pub id: DeliveryId,
    /// Whom it is for.
    #[serde(flatten)]
    pub plugin: PluginKey,
    /// The event's public id.
    pub event: EventId,
    /// The event's type.
    pub event_type: String,
    /// The conversation that the event belongs to.
    pub session_id: Option<String>,
    /// Its state.
    pub state: DeliveryState,
    /// How many attempts have ended.
    pub attempts: u32,
    /// When the next attempt may start.
    pub due_at: Option<UnixMicros>,
    /// Why it failed, is ignored or is dead.
    pub reason: Option<String>,
    /// How long the latest attempt took, in microseconds.
    pub duration_us: Option<u64>,
    /// The CPU time of the latest attempt, in microseconds.
    pub cpu_us: Option<u64>,
    /// The peak memory of the latest attempt, in bytes.
    pub peak_memory: Option<u64>,
}

/// How many events and deliveries there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events in the store.
    pub events: u64,
    /// Deliveries that wait.
    pub pending: u64,
    /// Deliveries that were handled.
    pub done: u64,
    /// Deliveries without a handler.
    pub ignored: u64,
    /// Deliveries given up.
    pub dead: u64,
}

/// Why the journal did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// No space for it: nothing was stored, and the engine goes on.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The disk did not confirm the write: it may or may not be there after the
    /// next start. The engine has reopened its files, or ends the process.
    #[error("the disk did not confirm the write: {0}")]
    Unconfirmed(String),
    /// The delivery was finished by someone else.
    #[error("the delivery had been finished already")]
    Superseded,
    /// Reading failed.
    #[error("reading the journal failed: {0}")]
    Read(String),
    /// The journal is closed.
    #[error("the journal is closed")]
    Closed,
}
