//! Follows a plugins folder: settled changes become running plugins.
//!
//! One task for each folder. It puts a new name on the journal's durable list as
//! soon as it sees it, so that events are routed to a plugin that still
//! compiles; then the [`load`](super::load) happens beside it and, when that is
//! done, the plugin is swapped in. A newer change of the same plugin ends an
//! older load. Of names that have never run only so many are on the list at once,
//! broken ones included ([`newcomers`](super::newcomers)): a further one gets the
//! events that are stored once it has loaded, or once there is room. What has run, or
//! was on the list of an earlier run, stays on it whatever becomes of its file, until
//! that is gone.
//!
//! When dispatch rolls a version back, the earlier one runs already; the durable
//! list, the registry and the [`notes`](super::notes) follow.
//!
//! After a start nobody knows whether the files are those of the last run. The
//! first look puts every plugin of the folder on the list anew, with what its
//! manifest says now and with unknown handlers.

mod applying;
mod durable;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{error, warn};

use self::durable::DurableList;
use super::folder::Found;
use super::listing::{self, Listing, Standing};
use super::load::{Kept, Loaded, Problem, Workbench, first_subscription};
use super::loader::{Loader, Options, StartError};
use super::loads::Loads;
use super::newcomers::Newcomers;
use super::queue::Class;
use super::refusals::Refusals;
use super::settle::{Change, Settler};
use super::watch::Watch;
use crate::dispatch::{Plugin, Rollback};
use crate::types::{PluginKey, PluginName, Subscription};

impl Loader {
    /// Starts following `options.folder`, which is made if it isn't there. The
    /// receiver turns true when the plugins in the folder are on the durable list, as
    /// far as there is room on it; the task ends when the receiver is dropped and
    /// something changes, at the latest with the runtime.
    ///
    /// # Errors
    /// When the folder can't be made or the durable list not be read.
    pub async fn start(self, options: Options) -> Result<watch::Receiver<bool>, StartError> {
        std::fs::create_dir_all(&options.folder).map_err(|source| StartError::Folder {
            folder: options.folder.clone(),
            source,
        })?;
        let endpoint = options.endpoint.clone();
        let durable = DurableList::read(Arc::clone(&self.journal), endpoint).await?;
        let mut settler = Settler::default();
        settler.expect(durable.names().cloned(), Instant::now());
        let (listed, ready) = watch::channel(false);
        let workbench = Arc::new(Workbench::new(&self, options.clone()));
        workbench.pin(&self.notes.needed());
        let task = Folder {
            workbench,
            rollbacks: self.dispatcher.rollbacks(options.endpoint.clone()),
            loader: self,
            options,
            stale: durable.names().cloned().collect(),
            newcomers: Newcomers::default(),
            durable,
            settler,
            loads: Loads::new(),
            running: BTreeMap::new(),
            refusals: Refusals::default(),
            list_failed: false,
            listed,
        };
        let threads = task.loader.threads.clone();
        threads.spawn(task.run());
        Ok(ready)
    }
}

/// The task of one folder.
struct Folder {
    loader: Loader,
    workbench: Arc<Workbench>,
    options: Options,
    durable: DurableList,
    /// The names on it that still have the subscription of the last run.
    stale: BTreeSet<PluginName>,
    /// Those that have never run, on the list or not.
    newcomers: Newcomers,
    settler: Settler,
    loads: Loads<Result<Loaded, Problem>>,
    rollbacks: UnboundedReceiver<Rollback>,
    /// What was swapped in last, or runs since that was rolled back.
    running: BTreeMap<PluginName, Arc<Plugin>>,
    /// What has been said about files that are no plugins.
    refusals: Refusals,
    list_failed: bool,
    listed: watch::Sender<bool>,
}

impl Folder {
    async fn run(mut self) {
        let mut watch = Watch::new(&self.options.folder);
        let mut look_again = None;
        let mut look = true;
        loop {
            if look {
                let started = Instant::now();
                look_again = match self.list().await {
                    Ok(listing) => self.look(listing).await,
                    Err(problem) => {
                        self.cannot_list(&problem);
                        watch.lost();
                        None
                    }
                };
                watch.took(started.elapsed());
            }
            look = tokio::select! {
                // First, so that no load is begun without knowing of it.
                biased;
                Some(rollback) = self.rollbacks.recv() => {
                    self.rolled_back(rollback).await;
                    false
                }
                () = watch.changed(look_again) => true,
                Some((name, loaded)) = self.loads.next() => {
                    self.apply(name, loaded).await;
                    self.fill().await;
                    false
                }
                () = self.listed.closed() => return,
            }
        }
    }

    async fn list(&self) -> io::Result<Listing> {
        let (folder, most) = (self.options.folder.clone(), self.options.most);
        let names = self.durable.names().chain(self.settler.names());
        let standings: BTreeMap<_, _> = names
            .map(|name| (name.clone(), self.standing(name)))
            .collect();
        let standing =
            move |name: &PluginName| standings.get(name).copied().unwrap_or(Standing::New);
        spawn_blocking(move || listing::list(&folder, most, standing))
            .await
            .map_err(io::Error::other)?
    }

    /// How much one of the names that are on the list or in the folder has earned.
    fn standing(&self, name: &PluginName) -> Standing {
        if self.newcomers.is_listed(name) {
            Standing::Listed
        } else if self.durable.contains(name) {
            Standing::Proven
        } else {
            Standing::Seen
        }
    }

    /// Works through a listing; returns when to look again.
    async fn look(&mut self, listing: Listing) -> Option<Instant> {
        self.list_failed = false;
        self.refusals.say(listing.refused, listing.more_refused);
        let plugins = listing.plugins;
        let first = !*self.listed.borrow();
        if first && plugins.is_empty() && self.durable.names().len() > 0 {
            warn!(
                folder = %self.options.folder.display(), plugins = self.durable.names().len(),
                "the plugins folder is empty, and the last run had plugins: they are taken off the list; their deliveries wait for a while in case that the files come back"
            );
        }
        let (changes, look_again) = self.settler.observe(&plugins, Instant::now());

        self.newcomers
            .keep_waiting(|name| plugins.get(name).is_some_and(Result::is_ok));
        let mut to_announce = BTreeSet::new();
        for (name, found) in &plugins {
            let unknown = !self.durable.contains(name) && !self.newcomers.waits(name);
            let new = found.is_ok() && unknown;
            if new || self.stale.remove(name) {
                to_announce.insert(name.clone());
            }
        }
        // Before a version runs, its manifest may have changed again.
        for change in &changes {
            if matches!(change.files, Some(Ok(_))) && !self.running.contains_key(&change.name) {
                to_announce.insert(change.name.clone());
            }
        }
        self.announce(to_announce).await;
        self.listed.send_replace(true);

        for Change { name, files } in changes {
            self.act_on(name, files).await;
        }
        self.fill().await;
        look_again
    }

    /// Routes events to plugins before they are loaded, if there is room on the list.
    async fn announce(&mut self, names: BTreeSet<PluginName>) {
        let mut installs = Vec::new();
        for (subscription, name) in self.first_subscriptions(names).await {
            let key = self.key(&name);
            if let Some(subscription) = subscription {
                self.loader.registry.loading(&key);
                let proven = self.standing(&name) == Standing::Proven;
                if proven || self.newcomers.admit(&name) {
                    installs.push((name, subscription));
                }
            } else {
                self.remove(&name, "its manifest disables it").await;
                self.loader.registry.disabled(&key);
            }
        }
        self.durable.install(installs).await;
    }

    /// Routes events to those that have waited for room on the list and now have it.
    async fn fill(&mut self) {
        loop {
            let names = self.newcomers.next();
            if names.is_empty() {
                return;
            }
            let mut installs = Vec::new();
            for (subscription, name) in self.first_subscriptions(names).await {
                match subscription {
                    Some(subscription) => installs.push((name, subscription)),
                    // A look will come to it.
                    None => self.newcomers.forget(&name),
                }
            }
            self.durable.install(installs).await;
        }
    }

    /// What each plugin is to get before it is loaded; `None` for disabled ones.
    async fn first_subscriptions(
        &self,
        names: impl IntoIterator<Item = PluginName>,
    ) -> Vec<(Option<Subscription>, PluginName)> {
        let names: Vec<_> = names.into_iter().collect();
        if names.is_empty() {
            return Vec::new();
        }
        let options = self.options.clone();
        let read = spawn_blocking(move || {
            let read = |name| (first_subscription(&options, &name), name);
            names.into_iter().map(read).collect()
        });
        read.await.unwrap_or_else(|problem| {
            error!("reading the plugins' manifests failed: {problem}");
            Vec::new()
        })
    }

    async fn act_on(&mut self, name: PluginName, files: Option<Found>) {
        self.loads.cancel(&name);
        match files {
            Some(Ok(_)) => {
                self.loader.registry.loading(&self.key(&name));
                self.load(name);
            }
            Some(Err(refusal)) => {
                let path = self.options.folder.join(format!("{name}.wasm"));
                self.apply(name, Err(Problem::Refused { path, refusal }))
                    .await;
            }
            None => {
                self.remove(&name, "its file is gone").await;
                self.note(&name, None).await;
                self.loader.registry.gone(&self.key(&name));
            }
        }
    }

    fn load(&mut self, name: PluginName) {
        let note = self.loader.notes.get(&self.key(&name));
        let kept = note.map(|note| Kept {
            note,
            running: self.running.get(&name).cloned(),
        });
        let class = match self.standing(&name) {
            Standing::Proven => Class::Proven,
            _ => Class::New,
        };
        let load = Arc::clone(&self.workbench).load(name.clone(), class, kept);
        self.loads.start(name, load);
    }

    fn cannot_list(&mut self, problem: &io::Error) {
        if !self.list_failed {
            self.list_failed = true;
            error!(
                folder = %self.options.folder.display(),
                "the plugins folder can't be read, running plugins go on: {problem}"
            );
        }
    }

    fn key(&self, name: &PluginName) -> PluginKey {
        PluginKey {
            endpoint: self.options.endpoint.clone(),
            plugin: name.clone(),
        }
    }
}
