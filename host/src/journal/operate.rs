//! What an operator has done again by hand.

use async_trait::async_trait;
use serde::Serialize;

use super::JournalError;
use crate::types::{DeliveryId, EventSeq, OutboxId, PluginKey, UnixMicros};

/// Runs things again. What is run again runs outside its session's order.
#[async_trait]
pub trait Operate: Send + Sync + 'static {
    /// Makes a dead delivery pending again, with all its attempts before it.
    ///
    /// # Errors
    /// As for [`Intake::append`](super::Intake::append).
    async fn retry(&self, delivery: DeliveryId) -> Result<Retried, JournalError>;

    /// Makes a plugin's dead deliveries above `after` pending again: those of the
    /// next few hundred. To be called until there are no more.
    ///
    /// # Errors
    /// As for [`Intake::append`](super::Intake::append).
    async fn retry_dead(
        &self,
        plugin: PluginKey,
        after: DeliveryId,
    ) -> Result<Replayed<DeliveryId>, JournalError>;

    /// Makes a new delivery, for `replay.plugin`, of each stored event that fits
    /// among the next few hundred. To be called until there are no more. A step
    /// that is repeated after
    /// [`JournalError::Unconfirmed`](super::JournalError::Unconfirmed) may make
    /// its deliveries twice.
    ///
    /// # Errors
    /// As for [`Intake::append`](super::Intake::append).
    async fn replay(&self, replay: Replay) -> Result<Replayed<EventSeq>, JournalError>;

    /// Makes a dead request of the outbox pending again, due at once.
    ///
    /// # Errors
    /// As for [`Intake::append`](super::Intake::append).
    async fn outbox_retry(&self, request: OutboxId) -> Result<Retried, JournalError>;
}

/// What became of a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Retried {
    /// It is pending again.
    Pending,
    /// It isn't dead.
    NotDead,
    /// There is none with this id.
    Unknown,
}

/// Which stored events to deliver to a plugin.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Whom to deliver to: a plugin on the list. Its own filters hold as well.
    pub plugin: PluginKey,
    /// Only events received at or after this moment.
    pub since: Option<UnixMicros>,
    /// Only events received before this moment.
    pub until: Option<UnixMicros>,
    /// Only these types; all if empty.
    pub types: Vec<String>,
    /// Only events above this number: where the call before ended.
    pub after: EventSeq,
    /// Only events up to this number, so that a replay ends although new events
    /// come in; up to the newest if `None`.
    pub through: Option<EventSeq>,
}

/// What one step has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed<Place> {
    /// How many deliveries it made or made pending again.
    pub deliveries: u64,
    /// How many events or deliveries it looked at.
    pub seen: u64,
    /// Where the next step goes on; `None` at the end.
    pub next: Option<Place>,
}
