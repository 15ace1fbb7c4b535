//! The plugins folders: one for each endpoint, followed for as long as the host
//! runs.

use std::fs::create_dir_all;
use std::path::Path;

use futures_util::future::select_all;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::EndpointConfig;
use crate::ingest::health::Readiness;
use crate::journal::Roster;
use crate::plugins::loader::{Loader, Options, StartError};
use crate::plugins::manifest::Policy;

/// Parks the deliveries of endpoints that aren't configured any more, as those of
/// a removed plugin: nobody would run them. With the endpoint back they run.
pub(super) async fn retire(
    roster: &dyn Roster,
    endpoints: &[EndpointConfig],
) -> Result<(), StartError> {
    for plugin in roster.installed().await? {
        let endpoint = &plugin.key.endpoint;
        if endpoints.iter().all(|known| known.name != *endpoint) {
            warn!(
                %endpoint, plugin = %plugin.key.plugin,
                "the endpoint isn't configured any more: its plugin is taken off the list; its deliveries wait for a while in case that it comes back"
            );
            roster.uninstall(plugin.key).await?;
        }
    }
    Ok(())
}

/// Starts following each endpoint's folder, with at most `most` plugins in each.
pub(super) async fn load(
    loader: Loader,
    endpoints: Vec<EndpointConfig>,
    policy: Policy,
    most: usize,
) -> Result<Vec<watch::Receiver<bool>>, StartError> {
    let mut listed = Vec::new();
    for endpoint in endpoints {
        make(&endpoint.plugins);
        let options = Options {
            endpoint: endpoint.name,
            folder: endpoint.plugins,
            most,
            policy,
            secrets: endpoint.secrets,
        };
        listed.push(loader.clone().start(options).await?);
    }
    Ok(listed)
}

/// Makes a plugins folder, if it isn't there. If it can't be made, the loader says why.
pub(super) fn make(folder: &Path) {
    if !folder.exists() && create_dir_all(folder).is_ok() {
        info!(folder = %folder.display(), "there was no plugins folder: made an empty one");
    }
}

/// Ready once the plugins in all folders are known. Ends with the first task that
/// follows a folder; each runs for as long as its receiver is held.
pub(super) async fn follow_plugins(mut listed: Vec<watch::Receiver<bool>>, readiness: Readiness) {
    for folder in &mut listed {
        if folder.wait_for(|listed| *listed).await.is_err() {
            return;
        }
    }
    readiness.ready();
    let ends = listed
        .iter_mut()
        .map(|folder| Box::pin(async move { while folder.changed().await.is_ok() {} }));
    select_all(ends).await;
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;

    use super::*;
    use crate::journal::{Installed, JournalError};
    use crate::types::{EndpointName, PluginKey, PluginName, Subscription};

    /// A list of plugins in memory.
    struct List(Mutex<Vec<Installed>>);

    #[async_trait]
    impl Roster for List {
        async fn install(&self, plugin: Installed) -> Result<(), JournalError> {
            self.0.lock().expect("not poisoned").push(plugin);
            Ok(())
        }
        async fn uninstall(&self, key: PluginKey) -> Result<(), JournalError> {
            let mut list = self.0.lock().expect("not poisoned");
            list.retain(|plugin| plugin.key != key);
            Ok(())
        }
        async fn installed(&self) -> Result<Vec<Installed>, JournalError> {
            Ok(self.0.lock().expect("not poisoned").clone())
        }
    }

    #[tokio::test]
    async fn plugins_of_endpoints_that_are_gone_are_taken_off_the_list() {
        let name = |text| EndpointName::new(text).expect("a name");
        let plugin = |endpoint| Installed {
            key: PluginKey {
                endpoint: name(endpoint),
                plugin: PluginName::new("p").expect("a name"),
            },
            subscription: Subscription {
                handlers: None,
                types: None,
                agents: None,
            },
        };
        let list = List(Mutex::new(vec![plugin("shop"), plugin("blog")]));
        let shop = EndpointConfig {
            name: name("shop"),
            path: "/webhook/shop".into(),
            plugins: "shop".into(),
            auth: Vec::new(),
            secrets: Arc::default(),
        };
        retire(&list, &[shop]).await.expect("it is done");
        assert_eq!(list.installed().await.expect("read"), [plugin("shop")]);
    }

    #[tokio::test]
    async fn the_host_is_ready_once_the_plugins_are_known_and_for_as_long_as_they_are_followed() {
        let (listed, receiver) = watch::channel(false);
        let (second_listed, second) = watch::channel(false);
        let readiness = Readiness::waiting("not looked yet");
        let follow = tokio::spawn(follow_plugins(vec![receiver, second], readiness.clone()));
        assert!(readiness.reason().is_some());
        listed.send_replace(true);
        // One folder alone isn't enough.
        tokio::task::yield_now().await;
        assert!(readiness.reason().is_some());
        second_listed.send_replace(true);
        while readiness.reason().is_some() {
            tokio::task::yield_now().await;
        }
        assert!(!follow.is_finished());
        drop(listed);
        follow.await.expect("it ends");
    }
}
