//! What becomes of a folder's plugins: swapped in, left as they are, rolled back,
//! stopped. The durable list, the registry and the log follow.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::Folder;
use crate::dispatch::Rollback;
use crate::plugins::cache::ContentHash;
use crate::plugins::load::{Linked, Loaded, Problem};
use crate::plugins::notes::Note;
use crate::types::{Handlers, PluginName, Subscription};

impl Folder {
    pub(super) async fn apply(&mut self, name: PluginName, loaded: Result<Loaded, Problem>) {
        let key = self.key(&name);
        match loaded {
            Ok(Loaded::Plugin {
                linked,
                took,
                cached,
                instead,
            }) => {
                let Linked {
                    plugin,
                    subscription,
                    ..
                } = linked;
                let version = plugin.version.clone();
                if !self.durable.contains(&name) {
                    // Nothing of it runs yet, and what waited for it has to be there
                    // when it begins.
                    self.durable
                        .install(vec![(name.clone(), subscription.clone())])
                        .await;
                }
                let handlers = plugin.program.handlers();
                // In this order: an event must not be routed by what the new
                // version handles while the old one still runs.
                self.loader
                    .dispatcher
                    .swap(key.clone(), Arc::clone(&plugin))
                    .await;
                self.durable
                    .install(vec![(name.clone(), subscription)])
                    .await;
                self.newcomers.forget(&name);
                let replaced = self.running.insert(name.clone(), plugin).is_some();
                let registry = &self.loader.registry;
                registry.running(&key, &version, handlers, instead.as_ref());
                info!(
                    endpoint = %key.endpoint, plugin = %name, version,
                    handlers = %interfaces(handlers), cached, took_ms = millis(took),
                    "{}", if replaced { "plugin swapped" } else { "plugin loaded" }
                );
                match instead {
                    Some(note) => warn!(
                        endpoint = %key.endpoint, plugin = %name, version,
                        "the plugin's file was rolled back and stays out ({}: {}); replace it, or set `failures = 0` under [rollback] in its manifest to run it all the same",
                        note.bad.short(), note.reason
                    ),
                    None => self.note(&name, None).await,
                }
            }
            Ok(Loaded::Disabled) => {
                self.remove(&name, "its manifest disables it").await;
                self.loader.registry.disabled(&key);
            }
            Err(problem) => {
                let still = if self.running.contains_key(&name) {
                    "; the earlier version goes on running"
                } else if self.durable.contains(&name) {
                    "; its events wait until it can be loaded"
                } else if self.newcomers.waits(&name) {
                    "; it gets none of the events before that, as there are many more that have never run"
                } else {
                    ""
                };
                error!(endpoint = %key.endpoint, plugin = %name, "plugin not loaded: {problem}{still}");
                self.loader.registry.broken(&key, problem.to_string());
                self.take_away(&name).await;
            }
        }
    }

    /// What its manifest grants counts at once for the version that goes on running:
    /// a file that doesn't load must not keep what was taken away.
    async fn take_away(&mut self, name: &PluginName) {
        let Some(running) = self.running.get(name).cloned() else {
            return;
        };
        let (workbench, of) = (Arc::clone(&self.workbench), name.clone());
        let changed = spawn_blocking(move || workbench.granted_now(&of, &running)).await;
        if let Ok(Some(plugin)) = changed {
            let (key, plugin) = (self.key(name), Arc::new(plugin));
            self.running.insert(name.clone(), Arc::clone(&plugin));
            self.loader.dispatcher.swap(key.clone(), plugin).await;
            info!(endpoint = %key.endpoint, plugin = %name, "the earlier version goes on with what its manifest grants now");
        }
    }

    /// Dispatch has gone back to the version before: so do the durable list and the
    /// registry, unless there is a newer version meanwhile.
    pub(super) async fn rolled_back(&mut self, rollback: Rollback) {
        let Rollback {
            key,
            from,
            to,
            reason,
            since,
        } = rollback;
        let name = key.plugin.clone();
        let running = self.running.get(&name);
        if !running.is_some_and(|running| Arc::ptr_eq(running, &from)) {
            return;
        }
        let handlers = to.program.handlers();
        if let Some(known) = self.durable.get(&name) {
            let subscription = Subscription {
                handlers: Some(handlers),
                ..known.clone()
            };
            self.durable
                .install(vec![(name.clone(), subscription)])
                .await;
        }
        let note = Note {
            bad: ContentHash(from.content),
            good: ContentHash(to.content),
            reason,
            since,
        };
        let registry = &self.loader.registry;
        registry.rolled_back(&key, &to.version, handlers, &note);
        self.running.insert(name.clone(), Arc::clone(&to));
        self.note(&name, Some(note)).await;
        let workbench = Arc::clone(&self.workbench);
        let _ = spawn_blocking(move || workbench.keep(&to)).await;
        if self.loads.is_loading(&name) {
            // It doesn't know that yet.
            self.load(name);
        }
    }

    /// Notes that the plugin's file is rolled back, or that it isn't any more.
    pub(super) async fn note(&self, name: &PluginName, note: Option<Note>) {
        let (key, notes) = (self.key(name), Arc::clone(&self.loader.notes));
        let workbench = Arc::clone(&self.workbench);
        let stored = spawn_blocking(move || {
            let stored = notes.set(&key, note);
            workbench.pin(&notes.needed());
            stored
        });
        if let Ok(Err(problem)) = stored.await {
            warn!(plugin = %name, "which version was rolled back can't be stored, and may be forgotten by the next start: {problem}");
        }
    }

    pub(super) async fn remove(&mut self, name: &PluginName, why: &str) {
        let key = self.key(name);
        self.newcomers.forget(name);
        let was_known = self.durable.uninstall(name).await;
        self.loader.dispatcher.remove(key.clone()).await;
        if self.running.remove(name).is_some() {
            info!(endpoint = %key.endpoint, plugin = %name, "plugin stopped: {why}");
        } else if was_known {
            info!(endpoint = %key.endpoint, plugin = %name, "plugin taken off the list: {why}");
        }
    }
}

fn interfaces(handlers: Handlers) -> String {
    handlers.interfaces().collect::<Vec<_>>().join(", ")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
