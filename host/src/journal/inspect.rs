//! What is there, for people.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::JournalError;
use crate::types::effects::LogEntry;
use crate::types::{
    DeliveryId, EndpointName, EventId, EventSeq, OutboxId, PluginKey, StoredEvent, UnixMicros,
};

/// Shows what is stored.
#[async_trait]
pub trait Inspect: Send + Sync + 'static {
    /// An event by its public id.
    ///
    /// # Errors
    /// [`JournalError::Read`] or [`JournalError::Closed`].
    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, JournalError>;

    /// The events that pass the filter, newest first, at most `limit`.
    ///
    /// # Errors
    /// As for [`Inspect::event`].
    async fn events(
        &self,
        filter: EventFilter,
        limit: usize,
    ) -> Result<Vec<EventRecord>, JournalError>;

    /// The deliveries that pass the filter, newest first, at most `limit`.
    ///
    /// # Errors
    /// As for [`Inspect::event`].
    async fn deliveries(
        &self,
        filter: DeliveryFilter,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError>;

    /// A delivery's attempts that have ended, the latest first, at most the
    /// latest hundred; `None` if there is no such delivery.
    ///
    /// # Errors
    /// As for [`Inspect::event`].
    async fn attempts(
        &self,
        delivery: DeliveryId,
    ) -> Result<Option<Vec<AttemptRecord>>, JournalError>;

    /// The requests of the outbox that pass the filter, newest first, at most
    /// `limit`.
    ///
    /// # Errors
    /// As for [`Inspect::event`].
    async fn outbox(
        &self,
        filter: OutboxFilter,
        limit: usize,
    ) -> Result<Vec<OutboxRecord>, JournalError>;

    /// A plugin's counters, sorted by name.
    ///
    /// # Errors
    /// As for [`Inspect::event`].
    async fn counters(&self, plugin: PluginKey) -> Result<Vec<Counter>, JournalError>;

    /// How many deliveries there are in each state, for metrics and `demo`.
    ///
    /// # Errors
    /// As for [`Inspect::event`].
    async fn counts(&self) -> Result<Counts, JournalError>;
}

/// A counter's name and sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Which events to list; everything that is `None` doesn't filter.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this endpoint.
    pub endpoint: Option<EndpointName>,
    /// Of this type.
    pub event_type: Option<String>,
    /// Older than this one: what comes after a page that ended with it.
    pub before: Option<EventSeq>,
}

/// An event without its content, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its public id.
    pub id: EventId,
    /// Its number.
    pub seq: EventSeq,
    /// The endpoint that it came in at.
    pub endpoint: EndpointName,
    /// Its type.
    pub event_type: String,
    /// The agent that it is about.
    pub agent_id: Option<String>,
    /// The conversation that it belongs to.
    pub session_id: Option<String>,
    /// When it came in.
    pub received_at: UnixMicros,
    /// How many plugins it was for when it was stored.
    pub deliveries: u64,
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// Whether an operator asked for it: it runs outside its session's order.
    pub manual: bool,
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

/// An attempt that has ended, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// 1 for the first; starts again at 1 where an operator had it run again.
    pub number: u32,
    /// How it ended.
    pub outcome: DeliveryState,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it started.
    pub started_at: UnixMicros,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Its CPU time, in microseconds.
    pub cpu_us: u64,
    /// Its peak memory, in bytes.
    pub peak_memory: u64,
    /// What it logged.
    pub log: Vec<LogEntry>,
}

/// The state of a request of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    /// It waits to be sent, or is being sent.
    Pending,
    /// It was answered.
    Sent,
    /// It will not be sent again.
    Dead,
}

/// Which requests to list; everything that is `None` doesn't filter.
#[derive(Clone, Debug, Default)]
pub struct OutboxFilter {
    /// Of this plugin.
    pub plugin: Option<PluginKey>,
    /// Of this delivery.
    pub delivery: Option<DeliveryId>,
    /// In this state.
    pub state: Option<OutboxState>,
    /// Older than this one: what comes after a page that ended with it.
    pub before: Option<OutboxId>,
}

/// A request of the outbox without its body, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxRecord {
    /// The request.
    pub id: OutboxId,
    /// Whose it is.
    #[serde(flatten)]
    pub plugin: PluginKey,
    /// The event whose handling queued it.
    pub event: EventId,
    /// The delivery whose handling queued it.
    pub delivery: DeliveryId,
    /// Its place among those of the delivery, from 0.
    pub index: u32,
    /// Its method.
    pub method: String,
    /// The scheme, host and port that it goes to: a path may be a secret.
    pub target: String,
    /// Its state.
    pub state: OutboxState,
    /// How many attempts to send it have ended.
    pub attempts: u32,
    /// When it was queued.
    pub queued_at: UnixMicros,
    /// When the next attempt may start.
    pub due_at: Option<UnixMicros>,
    /// The status of the latest answer.
    pub status: Option<u16>,
    /// Why the latest attempt failed.
    pub reason: Option<String>,
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
    /// Requests that wait to be sent.
    pub outbox_pending: u64,
    /// Requests that were given up.
    pub outbox_dead: u64,
}
