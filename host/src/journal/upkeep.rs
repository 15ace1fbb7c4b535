//! Keeping the store in shape: what the service needs.

use async_trait::async_trait;

use super::JournalError;
use crate::types::UnixMicros;

/// Cleans and closes.
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Removes finished events beyond what is to be kept, with all that belongs
    /// to them, and ends deliveries that have been parked for too long. What is
    /// pending stays. Works in small steps between other writes; returns how many
    /// events it removed.
    ///
    /// # Errors
    /// As for [`Intake::append`](super::Intake::append).
    async fn clean(&self, keep: Keep) -> Result<u64, JournalError>;

    /// Stores what has been accepted, stops the engine and frees its files.
    /// Later calls get [`JournalError::Closed`].
    async fn close(&self);
}

/// How much is kept of what is finished.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Events received before this moment may go.
    pub since: UnixMicros,
    /// The oldest may go as well while the store has more bytes than this.
    pub bytes: Option<u64>,
}
