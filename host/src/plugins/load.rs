//! Reads, compiles and links one plugin.
//!
//! Files are large and hashing them takes a while, so all of it happens on
//! threads for blocking work, a few files at a time. What the cache doesn't know
//! is put down again and read once more when its turn to compile has come: a
//! folder full of new plugins is never in memory at once, and those that are
//! compiled already don't wait for those that aren't.
//!
//! A file that was rolled back isn't loaded: the version that runs in its place is
//! linked anew, under the manifest as it is now.

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
use super::notes::Note;
use super::queue::{Class, Queue};
use super::smoke::{self, NoSmoke};
use crate::dispatch::{Dispatcher, Plugin};
use crate::sandbox::{LoadError, Program, Sandbox, compile};
use crate::types::event::Event;
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
    #[error("{path}: [rollback] smoke: {problem}", path = path.display())]
    Smoke { path: PathBuf, problem: NoSmoke },
    #[error("smoke event failed: {0}")]
    SmokeFailed(String),
    #[error("loading it failed: {0}")]
    Task(#[from] JoinError),
}

/// What came of a load.
pub(super) enum Loaded {
    Plugin {
        linked: Linked,
        took: Duration,
        cached: bool,
        /// Set if it runs in the place of the file, which was rolled back.
        instead: Option<Note>,
    },
    Disabled,
}

/// A rollback that holds, and what runs now.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) note: Note,
    pub(super) running: Option<Arc<Plugin>>,
}

/// A plugin that can run.
pub(super) struct Linked {
    pub(super) plugin: Arc<Plugin>,
    pub(super) subscription: Subscription,
    /// What it has to handle first.
    smoke: Option<Arc<Event>>,
}

/// What loads of one folder work with.
pub(super) struct Workbench {
    options: Options,
    sandbox: Arc<Sandbox>,
    cache: Arc<CodeCache>,
    compiler: Compiler,
    dispatcher: Dispatcher,
    readers: Arc<Semaphore>,
    /// Its files that have to be compiled.
    queue: Queue,
}

/// What a plugin's files turned out to be.
enum Lookup {
    Disabled,
    Known(Linked),
    /// It was rolled back.
    Instead(Linked),
    New(Source),
}

/// What a plugin's manifest says, and the secrets that it gets by it.
#[derive(Clone)]
struct Terms {
    manifest: Manifest,
    secrets: Arc<Given>,
}

/// A plugin that has to be compiled.
struct Source {
    terms: Box<Terms>,
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
            dispatcher: loader.dispatcher.clone(),
            readers: Arc::new(Semaphore::new(READERS)),
            queue: Queue::default(),
        }
    }

    /// Loads the plugin as its files are now.
    pub(super) async fn load(
        self: Arc<Self>,
        name: PluginName,
        class: Class,
        kept: Option<Kept>,
    ) -> Result<Loaded, Problem> {
        let started = Instant::now();
        let note = kept.as_ref().map(|kept| kept.note.clone());
        let (linked, cached) = match self.look_up_in_turn(&name, kept).await? {
            Lookup::Disabled => return Ok(Loaded::Disabled),
            // It has shown that it works.
            Lookup::Instead(linked) => {
                return Ok(Loaded::Plugin {
                    linked,
                    took: started.elapsed(),
                    cached: true,
                    instead: note,
                });
            }
            Lookup::Known(linked) => (linked, true),
            Lookup::New(source) => {
                drop(source);
                match self.compile(&name, class).await? {
                    Some(compiled) => compiled,
                    None => return Ok(Loaded::Disabled),
                }
            }
        };
        if let Some(event) = &linked.smoke {
            let smoke = self
                .dispatcher
                .smoke(name, Arc::clone(&linked.plugin), Arc::clone(event));
            smoke.await.map_err(Problem::SmokeFailed)?;
        }
        Ok(Loaded::Plugin {
            linked,
            took: started.elapsed(),
            cached,
            instead: None,
        })
    }

    /// Compiles the plugin when its turn has come; `None` if it has been
    /// disabled by then. It may as well be known by then: two plugins can have
    /// the same content.
    async fn compile(
        self: &Arc<Self>,
        name: &PluginName,
        class: Class,
    ) -> Result<Option<(Linked, bool)>, Problem> {
        let turn = self.queue.turn(&self.compiler, class).await?;
        let (bench, of) = (Arc::clone(self), name.clone());
        let mut source = match spawn_blocking(move || bench.look_up(&of, None)).await?? {
            Lookup::Disabled => return Ok(None),
            Lookup::Known(linked) | Lookup::Instead(linked) => return Ok(Some((linked, true))),
            Lookup::New(source) => source,
        };
        let code = turn.compile(&source.file).await?;
        source.file = Vec::new();
        let (bench, of) = (Arc::clone(self), name.clone());
        let linked = spawn_blocking(move || {
            // First: what the host can't load isn't worth keeping.
            let program = Arc::new(bench.sandbox.load(&code)?);
            if let Err(problem) = bench.cache.put(&bench.key(&source.hash), &code) {
                warn!(plugin = %of, "the compiled code can't be kept: {problem}");
            }
            bench.assemble(&of, *source.terms, &source.hash, program)
        });
        Ok(Some((linked.await??, false)))
    }

    /// The permit goes along, since blocking work doesn't end with its future.
    async fn look_up_in_turn(
        self: &Arc<Self>,
        name: &PluginName,
        kept: Option<Kept>,
    ) -> Result<Lookup, Problem> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.readers).acquire_owned().await.ok();
        let (bench, name) = (Arc::clone(self), name.clone());
        spawn_blocking(move || {
            let _permit = permit;
            bench.look_up(&name, kept.as_ref())
        })
        .await?
    }

    fn look_up(&self, name: &PluginName, kept: Option<&Kept>) -> Result<Lookup, Problem> {
        let manifest = read_manifest(&self.options, name)?;
        if !manifest.enabled {
            return Ok(Lookup::Disabled);
        }
        let secrets =
            manifest.given(&manifest_of(&self.options, name), &self.options.offer(name))?;
        let terms = Terms {
            manifest,
            secrets: Arc::new(secrets),
        };
        let path = self.options.folder.join(format!("{name}.wasm"));
        let file = match folder::read(&path, MAX_WASM) {
            Ok(file) => file,
            Err(source) => return Err(Problem::Read { path, source }),
        };
        let hash = ContentHash::of(&file);
        let kept =
            kept.filter(|kept| kept.note.bad == hash && terms.manifest.rollback.failures > 0);
        if let Some(kept) = kept {
            if let Some(linked) = self.instead(name, &terms, kept)? {
                return Ok(Lookup::Instead(linked));
            }
            warn!(
                plugin = %name, version = hash.short(),
                "this version was rolled back, and the one before it isn't kept any more: it runs all the same"
            );
        }
        if let Some(linked) = self.cached(name, &terms, &hash)? {
            return Ok(Lookup::Known(linked));
        }
        Ok(Lookup::New(Source {
            terms: Box::new(terms),
            hash,
            file,
        }))
    }

    /// What runs in the place of a file that was rolled back, if it is still
    /// there.
    fn instead(
        &self,
        name: &PluginName,
        terms: &Terms,
        kept: &Kept,
    ) -> Result<Option<Linked>, Problem> {
        let mut terms = terms.clone();
        terms.manifest.smoke = None;
        let good = kept.note.good;
        let running = kept.running.as_ref();
        match running.filter(|plugin| plugin.content == good.0) {
            Some(plugin) => {
                let program = Arc::clone(&plugin.program);
                self.assemble(name, terms, &good, program).map(Some)
            }
            None => self.cached(name, &terms, &good),
        }
    }

    /// The plugin, if its code is in the cache.
    fn cached(
        &self,
        name: &PluginName,
        terms: &Terms,
        hash: &ContentHash,
    ) -> Result<Option<Linked>, Problem> {
        let key = self.key(hash);
        let Some(code) = self.cache.get(&key) else {
            return Ok(None);
        };
        match self.link(name, terms.clone(), hash, &code) {
            // Another processor's, say.
            Err(Problem::Load(LoadError::Code(why))) => {
                self.cache.reject(&key, &why);
                Ok(None)
            }
            linked => linked.map(Some),
        }
    }

    fn link(
        &self,
        name: &PluginName,
        terms: Terms,
        hash: &ContentHash,
        code: &[u8],
    ) -> Result<Linked, Problem> {
        let program = Arc::new(self.sandbox.load(code)?);
        self.assemble(name, terms, hash, program)
    }

    fn assemble(
        &self,
        name: &PluginName,
        terms: Terms,
        hash: &ContentHash,
        program: Arc<Program>,
    ) -> Result<Linked, Problem> {
        let Terms { manifest, secrets } = terms;
        let handlers = program.handlers();
        let event = |body: &String| smoke::event(body, &self.options.endpoint, handlers);
        let smoke = manifest.smoke.as_ref().map(event).transpose();
        let smoke = smoke.map_err(|problem| Problem::Smoke {
            path: manifest_of(&self.options, name),
            problem,
        })?;
        let subscription = manifest.subscription(Some(handlers));
        let plugin = Arc::new(Plugin {
            version: hash.short(),
            content: hash.0,
            program,
            config: Arc::new(manifest.config),
            secrets,
            limits: manifest.limits,
            concurrency: manifest.concurrency,
            ordered: manifest.ordered,
            grants: Arc::new(manifest.grants),
            retry: manifest.retry,
            breaker: manifest.breaker,
            rollback: manifest.rollback,
        });
        Ok(Linked {
            plugin,
            subscription,
            smoke: smoke.map(Arc::new),
        })
    }

    /// A version that runs on, though the files beside its manifest don't load, with
    /// what that manifest grants now; `None` if that is no news.
    pub(super) fn granted_now(&self, name: &PluginName, plugin: &Plugin) -> Option<Plugin> {
        let manifest = read_manifest(&self.options, name).ok()?;
        let of = manifest_of(&self.options, name);
        let secrets = manifest.given(&of, &self.options.offer(name)).ok()?;
        let news = *plugin.grants != manifest.grants || *plugin.secrets != secrets;
        news.then(|| Plugin {
            grants: Arc::new(manifest.grants),
            secrets: Arc::new(secrets),
            ..plugin.clone()
        })
    }

    /// Keeps the code of what runs in the place of a file that was rolled back: other
    /// plugins may have pushed it out of the cache since it was loaded.
    pub(super) fn keep(&self, plugin: &Plugin) {
        let key = self.key(&ContentHash(plugin.content));
        if self.cache.has(&key) {
            return;
        }
        let code = plugin.program.code().map_err(io::Error::other);
        if let Err(problem) = code.and_then(|code| self.cache.put(&key, &code)) {
            warn!(
                version = plugin.version,
                "the code of the version that runs again can't be kept, and the next start runs the one that was rolled back: {problem}"
            );
        }
    }

    /// Keeps the code of these longer than any other.
    pub(super) fn pin(&self, contents: &[ContentHash]) {
        self.cache.pin(contents.iter().map(|hash| self.key(hash)));
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
