//! Requests that handlers had queued, and their outcomes: what the sender needs.
//! They are queued by [`Queue::finish`](super::Queue::finish).

use async_trait::async_trait;

use super::JournalError;
use crate::types::effects::OutgoingRequest;
use crate::types::{DeliveryId, EventId, OutboxId, PluginKey, UnixMicros};

/// Hands out requests and takes their outcomes.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// The plugins that have pending requests, with the moment at which the first
    /// of each is due.
    ///
    /// # Errors
    /// [`JournalError::Read`] or [`JournalError::Closed`].
    async fn outbox_plugins(&self) -> Result<Vec<(PluginKey, UnixMicros)>, JournalError>;

    /// A plugin's pending requests that are due at `now`, those that have been
    /// due for the longest first: at most `limit` and without those in `known`.
    ///
    /// # Errors
    /// As for [`Outbox::outbox_plugins`].
    async fn outbox_due(
        &self,
        plugin: PluginKey,
        now: UnixMicros,
        known: Vec<OutboxId>,
        limit: usize,
    ) -> Result<OutboxPage, JournalError>;

    /// Stores what became of a request, in one commit. A request that is not
    /// pending any more is left as it is ([`JournalError::Superseded`]).
    ///
    /// # Errors
    /// As for [`Queue::finish`](super::Queue::finish).
    async fn outbox_finish(&self, finish: OutboxFinish) -> Result<(), JournalError>;
}

/// Some of a plugin's due requests.
#[derive(Clone, Debug, Default)]
pub struct OutboxPage {
    /// In the order in which they are due.
    pub requests: Vec<DueRequest>,
    /// When the next pending one that isn't among these or the known ones is due,
    /// which may have passed already.
    pub next_due: Option<UnixMicros>,
}

/// A request that is to be sent now.
#[derive(Clone, Debug)]
pub struct DueRequest {
    /// The request.
    pub id: OutboxId,
    /// The event whose handling queued it.
    pub event: EventId,
    /// The delivery whose handling queued it.
    pub delivery: DeliveryId,
    /// Its place among those of the delivery, from 0.
    pub index: u32,
    /// How many attempts to send it have failed.
    pub failed_attempts: u32,
    /// When it was queued.
    pub queued_at: UnixMicros,
    /// What to send.
    pub request: OutgoingRequest,
}

/// How an attempt to send ended.
#[derive(Clone, Debug)]
pub struct OutboxFinish {
    /// The request.
    pub id: OutboxId,
    /// How many attempts there have been, this one included.
    pub attempts: u32,
    /// When the attempt started.
    pub started_at: UnixMicros,
    /// The status of the answer, if one came.
    pub status: Option<u16>,
    /// What happens to it next.
    pub next: OutboxNext,
}

/// What happens to a request after an attempt to send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxNext {
    /// It was answered.
    Sent,
    /// It is to be sent again, not before `due_at`.
    Retry {
        /// When.
        due_at: UnixMicros,
        /// Why it failed.
        reason: String,
    },
    /// It is given up.
    Dead {
        /// Why.
        reason: String,
    },
}
