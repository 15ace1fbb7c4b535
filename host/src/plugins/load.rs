//! Reads, compiles and links one plugin.
//!
//! Files are large and hashing them takes a while, so all of it happens on
//! threads for blocking work, a few files at a time. What the cache doesn't know
//! is put down again and read once more when its turn to compile has come: a
//! folder full of new plugins is never in memory at once, and those that are
//! compiled already don't wait for those that aren't.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};
use tracing::warn;

use super::cache::{CodeCache, ContentHash, Key};
use super::compile::{CompileError, Compiler};
use super::folder::{self, MAX_MANIFEST, MAX_WASM, Refusal};
use super::loader::{Loader, Options};
use super::manifest::{Manifest, ManifestError};
use crate::dispatch::Plugin;
use crate::sandbox::{LoadError, Sandbox, compile};
use crate::types::{Given, PluginName, Subscription};

/// How many files are read and linked at once.
const READERS: usize = 2;

/// Why a file doesn't run.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{path}: {refusal}", path = path.display())]
    Refused { path: PathBuf, refusal: Refusal },
    #[error("{path}: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("loading it failed: {0}")]
    Task(#[from] JoinError),
}

/// What came of a load.
pub(super) enum Loaded {
    Plugin {
        linked: Linked,
        took: Duration,
        cached: bool,
    },
    Disabled,
}

/// A plugin that can run.
pub(super) struct Linked {
    pub(super) plugin: Box<Plugin>,
    pub(super) subscription: Subscription,
}

/// What loads of one folder work with.
pub(super) struct Workbench {
    options: Options,
    sandbox: Arc<Sandbox>,
    cache: Arc<CodeCache>,
    compiler: Compiler,
    readers: Arc<Semaphore>,
}

/// What a plugin's files turned out to be.
enum Lookup {
    Disabled,
    Known(Linked),
    New(Source),
}

/// A plugin that has to be compiled.
struct Source {
    manifest: Box<Manifest>,
    secrets: Arc<Given>,
    hash: ContentHash,
    file: Vec<u8>,
}

impl Workbench {
    pub(super) fn new(loader: &Loader, options: Options) -> Self {
        Self {
            options,
            sandbox: Arc::clone(&loader.sandbox),
            cache: Arc::clone(&loader.cache),
            compiler: loader.compiler.clone(),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Loads the plugin as its files are now.
    pub(super) async fn load(self: Arc<Self>, name: PluginName) -> Result<Loaded, Problem> {
        let started = Instant::now();
        let (linked, cached) = match self.look_up_in_turn(&name).await? {
            Lookup::Disabled => return Ok(Loaded::Disabled),
            Lookup::Known(linked) => (linked, true),
            Lookup::New(source) => {
                drop(source);
                match self.compile(&name).await? {
                    Some(compiled) => compiled,
                    None => return Ok(Loaded::Disabled),
                }
            }
        };
        Ok(Loaded::Plugin {
            linked,
            took: started.elapsed(),
            cached,
        })
    }

    /// Compiles the plugin when its turn has come; `None` if it has been
    /// disabled by then. It may as well be known by then: two plugins can have
    /// the same content.
    async fn compile(
        self: &Arc<Self>,
        name: &PluginName,
    ) -> Result<Option<(Linked, bool)>, Problem> {
        let turn = self.compiler.turn().await?;
        let (bench, of) = (Arc::clone(self), name.clone());
        let mut source = match spawn_blocking(move || bench.look_up(&of)).await?? {
            Lookup::Disabled => return Ok(None),
            Lookup::Known(linked) => return Ok(Some((linked, true))),
            Lookup::New(source) => source,
        };
        let code = turn.compile(&source.file).await?;
        source.file = Vec::new();
        let (bench, of) = (Arc::clone(self), name.clone());
        let linked = spawn_blocking(move || {
            if let Err(problem) = bench.cache.put(&bench.key(&source.hash), &code) {
                warn!(plugin = %of, "the compiled code can't be kept: {problem}");
            }
            bench.link(*source.manifest, source.secrets, &source.hash, &code)
        });
        Ok(Some((linked.await??, false)))
    }

    /// The permit goes along, since blocking work doesn't end with its future.
    async fn look_up_in_turn(self: &Arc<Self>, name: &PluginName) -> Result<Lookup, Problem> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.readers).acquire_owned().await.ok();
        let (bench, name) = (Arc::clone(self), name.clone());
        spawn_blocking(move || {
            let _permit = permit;
            bench.look_up(&name)
        })
        .await?
    }

    fn look_up(&self, name: &PluginName) -> Result<Lookup, Problem> {
        let manifest = read_manifest(&self.options, name)?;
        if !manifest.enabled {
            return Ok(Lookup::Disabled);
        }
        let secrets =
            manifest.given(&manifest_of(&self.options, name), &self.options.offer(name))?;
        let secrets = Arc::new(secrets);
        let path = self.options.folder.join(format!("{name}.wasm"));
        let file = match folder::read(&path, MAX_WASM) {
            Ok(file) => file,
            Err(source) => return Err(Problem::Read { path, source }),
        };
        let hash = ContentHash::of(&file);
        let key = self.key(&hash);
        if let Some(code) = self.cache.get(&key) {
            match self.link(manifest.clone(), Arc::clone(&secrets), &hash, &code) {
                // Another processor's, say.
                Err(Problem::Load(LoadError::Code(why))) => self.cache.reject(&key, &why),
                linked => return Ok(Lookup::Known(linked?)),
            }
        }
        Ok(Lookup::New(Source {
            manifest: Box::new(manifest),
            secrets,
            hash,
            file,
        }))
    }

    fn link(
        &self,
        manifest: Manifest,
        secrets: Arc<Given>,
        hash: &ContentHash,
        code: &[u8],
    ) -> Result<Linked, Problem> {
        let program = self.sandbox.load(code)?;
        let subscription = manifest.subscription(Some(program.handlers()));
        let plugin = Box::new(Plugin {
            version: hash.short(),
            program,
            config: Arc::new(manifest.config),
            secrets,
            limits: manifest.limits,
            concurrency: manifest.concurrency,
            ordered: manifest.ordered,
            grants: Arc::new(manifest.grants),
            retry: manifest.retry,
            breaker: manifest.breaker,
        });
        Ok(Linked {
            plugin,
            subscription,
        })
    }

    fn key(&self, hash: &ContentHash) -> Key {
        Key::new(hash, compile::compatibility(self.sandbox.engine()))
    }
}

/// What the plugin is to get before anyone knows its handlers; `None` where its
/// manifest disables it. Rather too much: an event that turns out to have no
/// handler is closed, one that wasn't routed is lost.
pub(super) fn first_subscription(options: &Options, name: &PluginName) -> Option<Subscription> {
    match read_manifest(options, name) {
        Ok(manifest) => manifest.enabled.then(|| manifest.subscription(None)),
        // The load will say what is wrong with it.
        Err(_) => Some(Subscription::default()),
    }
}

fn manifest_of(options: &Options, name: &PluginName) -> PathBuf {
    options.folder.join(format!("{name}.toml"))
}

/// The plugin's manifest; the defaults where there is none.
fn read_manifest(options: &Options, name: &PluginName) -> Result<Manifest, Problem> {
    let path = manifest_of(options, name);
    match folder::read(&path, MAX_MANIFEST) {
        Ok(text) => Ok(Manifest::parse(&text, &path, &options.policy)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Manifest::defaults(&options.policy))
        }
        Err(source) => Err(Problem::Read { path, source }),
    }
}
