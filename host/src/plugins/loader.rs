//! Turns settled changes of the folder into running plugins.
//!
//! One task for each folder. It puts a new name on the journal's durable list as
//! soon as it sees it, so that events are routed to a plugin that still
//! compiles; then the [`load`](super::load) happens beside it and, when that is
//! done, the plugin is swapped in. A newer change of the same plugin ends an
//! older load. Of names that have never run only so many are on the list at once,
//! broken ones included ([`newcomers`](super::newcomers)): a further one gets the events that are
//! stored once it has loaded, or once there is room. What has run, or was on the list of
//! an earlier run, stays on it whatever becomes of its file, until that is gone.
//!
//! When dispatch rolls a version back, the earlier one runs already; the durable
//! list, the registry and the [`notes`](super::notes) follow.
//!
//! After a start nobody knows whether the files are those of the last run. The
//! first look puts every plugin of the folder on the list anew, with what its
//! manifest says now and with unknown handlers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::cache::{CodeCache, ContentHash};
use super::compile::Compiler;
use super::folder::Found;
use super::listing::{self, Listing, Standing};
use super::load::{Kept, Linked, Loaded, Problem, Workbench, first_subscription};
use super::loads::Loads;
use super::manifest::Policy;
use super::newcomers::Newcomers;
use super::notes::{Note, Notes};
use super::queue::Class;
use super::refusals::Refusals;
use super::registry::Registry;
use super::settle::{Change, Settler};
use super::watch::Watch;
use crate::dispatch::{Dispatcher, Plugin, Rollback};
use crate::journal::{Installed, JournalError, Roster};
use crate::sandbox::Sandbox;
use crate::types::secrets::{Offer, Offered};
use crate::types::{EndpointName, Handlers, PluginKey, PluginName, Subscription};

/// How long to wait before the journal is asked again.
const JOURNAL_RETRY: Duration = Duration::from_millis(200);

/// Which folder, for whom, within which bounds.
#[derive(Clone, Debug)]
pub struct Options {
    /// The endpoint whose plugins these are.
    pub endpoint: EndpointName,
    /// The folder.
    pub folder: PathBuf,
    /// The most plugins that it may have.
    pub most: usize,
    /// What plugins get, and at most.
    pub policy: Policy,
    /// The secrets that they may have.
    pub secrets: Arc<Offered>,
}

impl Options {
    /// The secrets that one plugin may have.
    pub(super) fn offer(&self, plugin: &PluginName) -> Offer {
        Offer {
            endpoint: self.endpoint.clone(),
            plugin: plugin.clone(),
            secrets: Arc::clone(&self.secrets),
        }
    }
}

/// What the loader works with.
#[derive(Clone)]
pub struct Loader {
    /// Where it runs, with all that it does.
    pub threads: Handle,
    /// Links and runs.
    pub sandbox: Arc<Sandbox>,
    /// Holds the durable list.
    pub journal: Arc<dyn Roster>,
    /// Gets the plugins.
    pub dispatcher: Dispatcher,
    /// Shows them.
    pub registry: Arc<Registry>,
    /// Keeps compiled code.
    pub cache: Arc<CodeCache>,
    /// Compiles.
    pub compiler: Compiler,
    /// Remembers what was rolled back.
    pub notes: Arc<Notes>,
}

impl Loader {
    /// Starts following `options.folder`, which is made if it isn't there. The
    /// receiver turns true when the plugins in the folder are on the durable list, as
    /// far as there is room on it; the task ends when the receiver is dropped and something changes,
    /// at the latest with the runtime.
    ///
    /// # Errors
    /// When the folder can't be made or the durable list not be read.
    pub async fn start(self, options: Options) -> Result<watch::Receiver<bool>, StartError> {
        std::fs::create_dir_all(&options.folder).map_err(|source| StartError::Folder {
            folder: options.folder.clone(),
            source,
        })?;
        let installed = self.journal.installed().await?;
        let known: BTreeMap<PluginName, Subscription> = installed
            .into_iter()
            .filter(|plugin| plugin.key.endpoint == options.endpoint)
            .map(|plugin| (plugin.key.plugin, plugin.subscription))
            .collect();
        let mut settler = Settler::default();
        settler.expect(known.keys().cloned(), Instant::now());
        let (listed, ready) = watch::channel(false);
        let workbench = Arc::new(Workbench::new(&self, options.clone()));
        workbench.pin(&self.notes.needed());
        let task = Folder {
            workbench,
            rollbacks: self.dispatcher.rollbacks(options.endpoint.clone()),
            loader: self,
            options,
            stale: known.keys().cloned().collect(),
            newcomers: Newcomers::default(),
            known,
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

/// Why the folder can't be followed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It can't be made.
    #[error("the plugins folder {folder} can't be made: {source}", folder = folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The durable list can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The task of one folder.
struct Folder {
    loader: Loader,
    workbench: Arc<Workbench>,
    options: Options,
    /// The names on the durable list.
    known: BTreeMap<PluginName, Subscription>,
    /// Those of them that still have the subscription of the last run.
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
        let names = self.known.keys().chain(self.settler.names());
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
        } else if self.known.contains_key(name) {
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
        if first && plugins.is_empty() && !self.known.is_empty() {
            warn!(
                folder = %self.options.folder.display(), plugins = self.known.len(),
                "the plugins folder is empty, and the last run had plugins: they are taken off the list; their deliveries wait for a while in case that the files come back"
            );
        }
        let (changes, look_again) = self.settler.observe(&plugins, Instant::now());

        self.newcomers
            .keep_waiting(|name| plugins.get(name).is_some_and(Result::is_ok));
        let mut to_announce = BTreeSet::new();
        for (name, found) in &plugins {
            let unknown = !self.known.contains_key(name) && !self.newcomers.waits(name);
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
        self.install(installs).await;
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
            self.install(installs).await;
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

    async fn apply(&mut self, name: PluginName, loaded: Result<Loaded, Problem>) {
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
                if !self.known.contains_key(&name) {
                    // Nothing of it runs yet, and what waited for it has to be there
                    // when it begins.
                    self.install(vec![(name.clone(), subscription.clone())])
                        .await;
                }
                let handlers = plugin.program.handlers();
                // In this order: an event must not be routed by what the new
                // version handles while the old one still runs.
                self.loader
                    .dispatcher
                    .swap(key.clone(), Arc::clone(&plugin))
                    .await;
                self.install(vec![(name.clone(), subscription)]).await;
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
                } else if self.known.contains_key(&name) {
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
    async fn rolled_back(&mut self, rollback: Rollback) {
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
        if let Some(known) = self.known.get(&name) {
            let subscription = Subscription {
                handlers: Some(handlers),
                ..known.clone()
            };
            self.install(vec![(name.clone(), subscription)]).await;
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
    async fn note(&self, name: &PluginName, note: Option<Note>) {
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

    /// Puts plugins on the durable list, all in one go.
    async fn install(&mut self, mut plugins: Vec<(PluginName, Subscription)>) {
        plugins.retain(|(name, subscription)| self.known.get(name) != Some(subscription));
        let installs = plugins.iter().map(|(name, subscription)| {
            let plugin = Installed {
                key: self.key(name),
                subscription: subscription.clone(),
            };
            let journal = &self.loader.journal;
            insist(name, move || journal.install(plugin.clone()))
        });
        join_all(installs).await;
        self.known.extend(plugins);
    }

    async fn remove(&mut self, name: &PluginName, why: &str) {
        let key = self.key(name);
        let was_known = self.known.remove(name).is_some();
        self.newcomers.forget(name);
        if was_known {
            let journal = Arc::clone(&self.loader.journal);
            insist(name, || journal.uninstall(key.clone())).await;
        }
        self.loader.dispatcher.remove(key.clone()).await;
        if self.running.remove(name).is_some() {
            info!(endpoint = %key.endpoint, plugin = %name, "plugin stopped: {why}");
        } else if was_known {
            info!(endpoint = %key.endpoint, plugin = %name, "plugin taken off the list: {why}");
        }
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

fn interfaces(handlers: Handlers) -> String {
    handlers.interfaces().collect::<Vec<_>>().join(", ")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The program of the compile child: this program itself, even if its file has
/// been replaced since the start.
#[must_use]
pub fn own_program() -> PathBuf {
    Path::new("/proc/self/exe").to_owned()
}
