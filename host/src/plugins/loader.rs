//! Turns settled changes of the folder into running plugins.
//!
//! One task for each folder. It puts a new name on the journal's durable list as
//! soon as it sees it, so that events are routed to a plugin that still
//! compiles; then it loads the file beside itself and, when that is done, swaps
//! the plugin in. A newer change of the same plugin ends an older load.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{error, info, warn};

use super::cache::{CodeCache, ContentHash, Key};
use super::compile::{CompileError, Compiled, Compiler};
use super::folder::{self, Listing, MAX_MANIFEST, MAX_WASM, Refusal};
use super::manifest::{Manifest, ManifestError, Policy};
use super::registry::Registry;
use super::settle::{Change, Settler};
use super::watch::Watch;
use crate::dispatch::{Dispatcher, Plugin};
use crate::journal::{Installed, Journal, JournalError};
use crate::sandbox::{LoadError, Sandbox, compile};
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
    /// What plugins get, and at most.
    pub policy: Policy,
}

/// What the loader works with.
#[derive(Clone)]
pub struct Loader {
    /// Links and runs.
    pub sandbox: Arc<Sandbox>,
    /// Holds the durable list.
    pub journal: Arc<dyn Journal>,
    /// Gets the plugins.
    pub dispatcher: Dispatcher,
    /// Shows them.
    pub registry: Arc<Registry>,
    /// Keeps compiled code.
    pub cache: Arc<CodeCache>,
    /// Compiles.
    pub compiler: Compiler,
}

/// Why a file doesn't run.
#[derive(Debug, thiserror::Error)]
enum ProblemKind {
    #[error("{path}: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("loading it failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// What came of a load.
enum Loaded {
    Plugin {
        plugin: Box<Plugin>,
        subscription: Subscription,
        took: Duration,
        cached: bool,
    },
    Disabled,
}

impl Loader {
    /// Starts following `options.folder`, which is made if it isn't there. The
    /// receiver turns true when all plugins in the folder are on the durable
    /// list; the task ends when the receiver is dropped and something changes,
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
        let known = installed
            .into_iter()
            .filter(|plugin| plugin.key.endpoint == options.endpoint)
            .map(|plugin| (plugin.key.plugin, plugin.subscription))
            .collect();
        let (listed, ready) = watch::channel(false);
        let task = Folder {
            loader: Arc::new(self),
            options,
            known,
            settler: Settler::default(),
            loads: JoinSet::new(),
            loading: HashMap::new(),
            running: BTreeSet::new(),
            refused: BTreeMap::new(),
            list_failed: false,
            listed,
        };
        tokio::spawn(task.run());
        Ok(ready)
    }

    /// Reads, compiles and links one plugin.
    async fn load(&self, options: &Options, name: &PluginName) -> Result<Loaded, ProblemKind> {
        let started = Instant::now();
        let manifest = read_manifest(options, name)?;
        if !manifest.enabled {
            return Ok(Loaded::Disabled);
        }
        let file = read(options.folder.join(format!("{name}.wasm")), MAX_WASM)?;
        let hash = ContentHash::of(&file);
        let key = Key::new(&hash, compile::compatibility(self.sandbox.engine()));
        let (code, cached) = match self.cache.get(&key) {
            Some(code) => (code, true),
            None => {
                let Compiled { code, handlers: _ } = self.compiler.compile(&file).await?;
                if let Err(problem) = self.cache.put(&key, &code) {
                    warn!(plugin = %name, "the compiled code can't be kept: {problem}");
                }
                (code, false)
            }
        };
        let sandbox = Arc::clone(&self.sandbox);
        let program = tokio::task::spawn_blocking(move || sandbox.load(&code)).await??;
        let subscription = manifest.subscription(Some(program.handlers()));
        let plugin = Box::new(Plugin {
            version: hash.short(),
            program,
            config: Arc::new(manifest.config),
            limits: manifest.limits,
            concurrency: manifest.concurrency,
            ordered: manifest.ordered,
        });
        Ok(Loaded::Plugin {
            plugin,
            subscription,
            took: started.elapsed(),
            cached,
        })
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

fn read(path: PathBuf, limit: u64) -> Result<Vec<u8>, ProblemKind> {
    folder::read(&path, limit).map_err(|source| ProblemKind::Read { path, source })
}

/// The plugin's manifest; the defaults where there is none.
fn read_manifest(options: &Options, name: &PluginName) -> Result<Manifest, ProblemKind> {
    let path = options.folder.join(format!("{name}.toml"));
    match folder::read(&path, MAX_MANIFEST) {
        Ok(text) => Ok(Manifest::parse(&text, &path, &options.policy)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Manifest::defaults(&options.policy))
        }
        Err(source) => Err(ProblemKind::Read { path, source }),
    }
}

/// The task of one folder.
struct Folder {
    loader: Arc<Loader>,
    options: Options,
    /// The names on the durable list.
    known: BTreeMap<PluginName, Subscription>,
    settler: Settler,
    loads: JoinSet<(PluginName, Result<Loaded, ProblemKind>)>,
    loading: HashMap<PluginName, AbortHandle>,
    /// The plugins that have a version running.
    running: BTreeSet<PluginName>,
    /// What has been said about files that are no plugins.
    refused: BTreeMap<PathBuf, Refusal>,
    list_failed: bool,
    listed: watch::Sender<bool>,
}

impl Folder {
    async fn run(mut self) {
        let mut watch = Watch::new(&self.options.folder);
        loop {
            let look_again = match folder::list(&self.options.folder) {
                Ok(listing) => self.look(listing).await,
                Err(problem) => {
                    self.cannot_list(&problem);
                    watch.lost();
                    None
                }
            };
            tokio::select! {
                () = watch.changed(look_again) => {}
                Some(ended) = self.loads.join_next() => {
                    // An error here is a load that a newer one has ended.
                    if let Ok((name, loaded)) = ended {
                        self.loading.remove(&name);
                        self.apply(name, loaded).await;
                    }
                }
                () = self.listed.closed() => return,
            }
        }
    }

    /// Works through a listing; returns when to look again.
    async fn look(&mut self, listing: Listing) -> Option<Instant> {
        self.list_failed = false;
        self.say_refused(listing.refused);
        for name in listing.plugins.keys() {
            if !self.known.contains_key(name) {
                self.install_new(name).await;
            }
        }
        let first = !*self.listed.borrow();
        if first {
            // Removed while the host was down: nothing to wait for.
            let gone = |name: &&PluginName| !listing.plugins.contains_key(*name);
            let gone: Vec<PluginName> = self.known.keys().filter(gone).cloned().collect();
            for name in gone {
                self.remove(&name, "its file is gone").await;
            }
        }
        self.listed.send_replace(true);

        let (changes, look_again) = self.settler.observe(&listing.plugins, Instant::now());
        for Change { name, files } in changes {
            if let Some(older) = self.loading.remove(&name) {
                older.abort();
            }
            if files.is_some() {
                self.start_load(name);
            } else {
                self.remove(&name, "its file is gone").await;
                self.loader.registry.gone(&self.key(&name));
            }
        }
        look_again
    }

    /// Routes events to a plugin that has just appeared, before it is loaded.
    async fn install_new(&mut self, name: &PluginName) {
        let subscription = match read_manifest(&self.options, name) {
            Ok(manifest) if !manifest.enabled => return,
            Ok(manifest) => manifest.subscription(None),
            // The load will say what is wrong with it.
            Err(_) => Subscription::default(),
        };
        self.loader.registry.loading(&self.key(name));
        self.install(name, subscription).await;
    }

    fn start_load(&mut self, name: PluginName) {
        self.loader.registry.loading(&self.key(&name));
        let loader = Arc::clone(&self.loader);
        let options = self.options.clone();
        let load_name = name.clone();
        let load = self.loads.spawn(async move {
            let loaded = loader.load(&options, &load_name).await;
            (load_name, loaded)
        });
        self.loading.insert(name, load);
    }

    async fn apply(&mut self, name: PluginName, loaded: Result<Loaded, ProblemKind>) {
        let key = self.key(&name);
        match loaded {
            Ok(Loaded::Plugin {
                plugin,
                subscription,
                took,
                cached,
            }) => {
                let version = plugin.version.clone();
                let handlers = plugin.program.handlers();
                // In this order: an event must not be routed by what the new
                // version handles while the old one still runs.
                self.loader
                    .dispatcher
                    .swap(key.clone(), Arc::new(*plugin))
                    .await;
                self.install(&name, subscription).await;
                let replaced = !self.running.insert(name.clone());
                self.loader.registry.running(&key, &version, handlers);
                info!(
                    endpoint = %key.endpoint, plugin = %name, version,
                    handlers = %interfaces(handlers), cached, took_ms = millis(took),
                    "{}", if replaced { "plugin swapped" } else { "plugin loaded" }
                );
            }
            Ok(Loaded::Disabled) => {
                self.remove(&name, "its manifest disables it").await;
                self.loader.registry.disabled(&key);
            }
            Err(problem) => {
                let still = if self.running.contains(&name) {
                    "; the earlier version goes on running"
                } else {
                    "; its events wait until it can be loaded"
                };
                error!(endpoint = %key.endpoint, plugin = %name, "plugin not loaded: {problem}{still}");
                self.loader.registry.broken(&key, problem.to_string());
            }
        }
    }

    async fn install(&mut self, name: &PluginName, subscription: Subscription) {
        if self.known.get(name) == Some(&subscription) {
            return;
        }
        let journal = Arc::clone(&self.loader.journal);
        let plugin = Installed {
            key: self.key(name),
            subscription: subscription.clone(),
        };
        insist(name, || journal.install(plugin.clone())).await;
        self.known.insert(name.clone(), subscription);
    }

    async fn remove(&mut self, name: &PluginName, why: &str) {
        let key = self.key(name);
        let journal = Arc::clone(&self.loader.journal);
        if self.known.remove(name).is_some() {
            insist(name, || journal.uninstall(key.clone())).await;
        }
        self.loader.dispatcher.remove(key.clone()).await;
        if self.running.remove(name) {
            info!(endpoint = %key.endpoint, plugin = %name, "plugin stopped: {why}");
        }
    }

    /// Says once for each file why it is no plugin.
    fn say_refused(&mut self, refused: BTreeMap<PathBuf, Refusal>) {
        for (path, refusal) in &refused {
            if self.refused.get(path) != Some(refusal) {
                warn!(file = ?path, "a file in the plugins folder is not taken: {refusal}");
            }
        }
        self.refused = refused;
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
