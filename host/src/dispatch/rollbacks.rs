//! Tells the plugins folders that a version was rolled back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Plugin;
use crate::types::{EndpointName, PluginKey, UnixMicros};

/// A version that was replaced by the one before it.
#[derive(Clone, Debug)]
pub struct Rollback {
    /// Of which plugin.
    pub key: PluginKey,
    /// What doesn't run any more: the very value that was swapped in.
    pub from: Arc<Plugin>,
    /// What runs instead: the earlier code, under the manifest of `from`.
    pub to: Arc<Plugin>,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: UnixMicros,
}

/// Who wants to know, by endpoint.
#[derive(Debug, Default)]
pub(super) struct Rollbacks(Mutex<BTreeMap<EndpointName, UnboundedSender<Rollback>>>);

impl Rollbacks {
    /// From now on those of this endpoint come here.
    pub(super) fn follow(&self, endpoint: EndpointName) -> UnboundedReceiver<Rollback> {
        let (sender, receiver) = unbounded_channel();
        self.lock().insert(endpoint, sender);
        receiver
    }

    pub(super) fn tell(&self, rollback: Rollback) {
        if let Some(sender) = self.lock().get(&rollback.key.endpoint) {
            // Nobody follows the folder any more: the host is stopping.
            let _ = sender.send(rollback);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<EndpointName, UnboundedSender<Rollback>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
