//! What the operator's listener shows of parts that it doesn't know.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::admin::{MoreMetrics, Page, PluginsView, Presence};
use crate::dispatch::Dispatcher;
use crate::outbox;
use crate::plugins::registry::{PluginStatus, Registry};
use crate::types::{EndpointName, PluginKey, PluginName};

/// The plugins, with their breakers.
pub(super) struct View(pub(super) Arc<Registry>, pub(super) Dispatcher);

impl PluginsView for View {
    fn plugins(&self) -> Vec<Value> {
        let plugin = |(key, status): (PluginKey, PluginStatus)| {
            let mut value = json!(status);
            value["endpoint"] = json!(key.endpoint);
            value["plugin"] = json!(key.plugin);
            value["breaker"] = json!(self.1.breaker(&key));
            value
        };
        self.0.snapshot().into_iter().map(plugin).collect()
    }

    fn find(&self, name: &PluginName) -> Vec<(EndpointName, Presence)> {
        let found = self.0.snapshot().into_iter();
        let found = found.filter(|(key, _)| key.plugin == *name);
        let presence = |(key, status): (PluginKey, PluginStatus)| {
            let presence = if status.disabled {
                Presence::Disabled
            } else {
                Presence::Installed
            };
            (key.endpoint, presence)
        };
        found.map(presence).collect()
    }
}

pub(super) fn dispatch_metrics(dispatcher: Dispatcher) -> MoreMetrics {
    Arc::new(move |page: &mut Page| {
        let totals = dispatcher.stats().totals();
        let counters = [
            (
                "hookbox_handled_total",
                "Deliveries that a handler has handled.",
                totals.handled,
            ),
            (
                "hookbox_failed_attempts_total",
                "Attempts that failed.",
                totals.failed_attempts,
            ),
            ("hookbox_dead_total", "Deliveries given up.", totals.dead),
            (
                "hookbox_conflicts_total",
                "Attempts that met a conflict and were made again.",
                totals.conflicts,
            ),
            (
                "hookbox_plugin_pauses_total",
                "Pauses of plugins whose attempts all failed.",
                totals.pauses,
            ),
            (
                "hookbox_rollbacks_total",
                "New versions that were replaced by the one before them.",
                totals.rollbacks,
            ),
        ];
        for (name, help, count) in counters {
            page.counter(name, help, count);
        }
    })
}

pub(super) fn outbox_metrics(stats: Arc<outbox::Stats>) -> MoreMetrics {
    Arc::new(move |page: &mut Page| {
        let totals = stats.totals();
        let counters = [
            (
                "hookbox_outbox_sent_total",
                "Requests of the outbox that were answered with 2xx.",
                totals.sent,
            ),
            (
                "hookbox_outbox_failed_attempts_total",
                "Attempts to send that failed.",
                totals.failed_attempts,
            ),
            (
                "hookbox_outbox_dead_total",
                "Requests of the outbox given up.",
                totals.dead,
            ),
        ];
        for (name, help, count) in counters {
            page.counter(name, help, count);
        }
    })
}
