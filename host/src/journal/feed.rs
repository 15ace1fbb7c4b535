//! What an engine announces by itself.

use std::sync::Arc;

use crate::types::{DeliveryId, PluginKey, StoredEvent};

/// Where news goes: called by the engine after the commit that made them and
/// before the call that asked for it returns; deliveries in the order of ids. It
/// must not block.
pub type Feed = Arc<dyn Fn(FeedItem) + Send + Sync>;

/// What an engine announces.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// These deliveries were committed.
    Routed(Vec<Routed>),
    /// This plugin has deliveries that an operator had run again or replayed:
    /// they are to be read with [`Queue::pending_manual`](super::Queue::pending_manual).
    Manual(PluginKey),
    /// Requests were queued in the outbox, or made due again.
    Queued,
    /// The engine has reopened its files after an unconfirmed write, and there
    /// may be deliveries that were never announced: everything that is pending
    /// is to be read again, skipping what is already known.
    Reread,
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
