//! Storing events: what ingest needs.

use std::sync::Arc;

use async_trait::async_trait;

use super::JournalError;
use crate::types::event::Event;
use crate::types::{DedupeKey, EventId, EventSeq};

/// Takes events in.
#[async_trait]
pub trait Intake: Send + Sync + 'static {
    /// Stores an event together with a delivery for each installed plugin that
    /// wants it, and returns when both are on disk.
    ///
    /// With a dedupe key that an earlier event of the endpoint has, inside the
    /// endpoint's dedupe window, nothing is stored and that event is named. It is
    /// on disk by then, even if both came in at the same moment.
    ///
    /// Cancelling the future doesn't undo the append.
    ///
    /// # Errors
    /// [`JournalError::Full`], [`JournalError::Unconfirmed`] or
    /// [`JournalError::Closed`].
    async fn append(&self, event: NewEvent) -> Result<Appended, JournalError>;
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
