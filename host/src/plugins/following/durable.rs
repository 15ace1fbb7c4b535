//! The journal's durable list of plugins, as far as it is about one folder: events
//! are routed to those that are on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tracing::warn;

use crate::journal::{Installed, JournalError, Roster};
use crate::types::{EndpointName, PluginKey, PluginName, Subscription};

/// How long to wait before the journal is asked again.
const JOURNAL_RETRY: Duration = Duration::from_millis(200);

/// The list, and what it says.
pub(super) struct DurableList {
    journal: Arc<dyn Roster>,
    endpoint: EndpointName,
    plugins: BTreeMap<PluginName, Subscription>,
}

impl DurableList {
    /// Reads what the last run has left of the endpoint's plugins.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub(super) async fn read(
        journal: Arc<dyn Roster>,
        endpoint: EndpointName,
    ) -> Result<Self, JournalError> {
        let installed = journal.installed().await?.into_iter();
        let plugins = installed
            .filter(|plugin| plugin.key.endpoint == endpoint)
            .map(|plugin| (plugin.key.plugin, plugin.subscription))
            .collect();
        Ok(Self {
            journal,
            endpoint,
            plugins,
        })
    }

    /// Who is on it.
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &PluginName> {
        self.plugins.keys()
    }

    /// Which events the plugin gets, if it is on the list.
    pub(super) fn get(&self, name: &PluginName) -> Option<&Subscription> {
        self.plugins.get(name)
    }

    /// Whether the plugin is on it.
    pub(super) fn contains(&self, name: &PluginName) -> bool {
        self.plugins.contains_key(name)
    }

    /// Puts plugins on it, all in one go.
    pub(super) async fn install(&mut self, mut plugins: Vec<(PluginName, Subscription)>) {
        plugins.retain(|(name, subscription)| self.get(name) != Some(subscription));
        let journal = &self.journal;
        let installs = plugins.iter().map(|(name, subscription)| {
            let plugin = Installed {
                key: self.key(name),
                subscription: subscription.clone(),
            };
            insist(name, move || journal.install(plugin.clone()))
        });
        join_all(installs).await;
        self.plugins.extend(plugins);
    }

    /// Takes a plugin off it, and says whether it was on it.
    pub(super) async fn uninstall(&mut self, name: &PluginName) -> bool {
        let was_on_it = self.plugins.remove(name).is_some();
        if was_on_it {
            insist(name, || self.journal.uninstall(self.key(name))).await;
        }
        was_on_it
    }

    fn key(&self, name: &PluginName) -> PluginKey {
        PluginKey {
            endpoint: self.endpoint.clone(),
            plugin: name.clone(),
        }
    }
}

/// Repeats a change of the durable list until it is stored: without it, events
/// would be routed wrongly.
async fn insist<F>(name: &PluginName, mut change: impl FnMut() -> F)
where
    F: Future<Output = Result<(), JournalError>>,
{
    loop {
        match change().await {
            Ok(()) | Err(JournalError::Closed) => return,
            Err(problem) => {
                warn!(plugin = %name, "the list of installed plugins can't be stored, trying again: {problem}");
                tokio::time::sleep(JOURNAL_RETRY).await;
            }
        }
    }
}
