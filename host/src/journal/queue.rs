//! Pending deliveries and their outcomes: what dispatch needs.

use std::time::Duration;

use async_trait::async_trait;

use super::JournalError;
use crate::types::effects::LogEntry;
use crate::types::{DeliveryId, Effects, PluginKey, StoredEvent, UnixMicros};

/// Hands out deliveries and takes their outcomes.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Stores how an attempt ended, with its effects, in one commit. Returns
    /// when it is on disk.
    ///
    /// A delivery that has been finished by someone else in the meantime is left
    /// as it is: the call returns [`JournalError::Superseded`] and none of the
    /// effects are kept. A [`Next::Retry`] that is stored already counts once.
    ///
    /// Reads among the effects are checked whatever the outcome, since it may
    /// have come of them: [`JournalError::Conflict`] if one is outdated. Writes,
    /// counters and requests are kept with [`Next::Done`] only.
    ///
    /// # Errors
    /// As for [`Intake::append`](super::Intake::append), and
    /// [`JournalError::Superseded`], [`JournalError::Conflict`] or
    /// [`JournalError::Quota`]; after these three nothing was stored.
    async fn finish(&self, finish: Finish) -> Result<(), JournalError>;

    /// A plugin's pending deliveries with ids above `after`, in the order of
    /// their ids: at most `limit`, and no more than [`PAGE_BYTES`] of bodies, but
    /// at least one if there is one. Without those that an operator asked for.
    ///
    /// # Errors
    /// [`JournalError::Read`] or [`JournalError::Closed`].
    async fn pending(
        &self,
        plugin: PluginKey,
        after: DeliveryId,
        limit: usize,
    ) -> Result<PendingPage, JournalError>;

    /// As [`Queue::pending`], but only those that an operator asked for.
    ///
    /// # Errors
    /// As for [`Queue::pending`].
    async fn pending_manual(
        &self,
        plugin: PluginKey,
        after: DeliveryId,
        limit: usize,
    ) -> Result<PendingPage, JournalError>;
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
    /// How many of them trapped or hit a limit, as far as that counts.
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
    /// How many of them trapped or hit a limit. What a version on probation did
    /// doesn't count.
    pub traps: u32,
    /// When the attempt started.
    pub started_at: UnixMicros,
    /// How long it took.
    pub duration: Duration,
    /// How much CPU time the handler used.
    pub cpu: Duration,
    /// The most memory that the handler had, in bytes.
    pub peak_memory: u64,
    /// What it logged, bounded.
    pub log: Vec<LogEntry>,
    /// What the handler read and wants kept.
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
