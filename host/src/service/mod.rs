//! The whole host in one value: every part started in the order in which they
//! need each other, and stopped in the opposite one.
//!
//! `serve` and `demo` are this with different settings.

mod aside;
mod confined;
mod folders;
mod settings;
mod tasks;
mod views;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use self::aside::Aside;
pub(crate) use self::confined::{make_folders, needs};
use self::folders::{follow_plugins, load, retire};
pub(crate) use self::settings::policy;
use self::settings::{client, dispatch_limits, engine_limits, entrance};
use self::tasks::{Task, first_end, task};
use self::views::{View, dispatch_metrics, outbox_metrics};
use crate::admin::{self, Admin};
use crate::config::Config;
use crate::dispatch::Dispatcher;
use crate::ingest::health::Readiness;
use crate::ingest::serve::{ServeOptions, serve};
use crate::ingest::stats::Stats;
use crate::ingest::{Ingest, router};
use crate::journal::sqlite::{OpenError, SqliteJournal};
use crate::journal::{Journal, Keep};
use crate::outbound;
use crate::outbox;
use crate::plugins::cache::CodeCache;
use crate::plugins::compile::{Compiler, own_program};
use crate::plugins::loader::{Loader, StartError};
use crate::plugins::notes::Notes;
use crate::plugins::registry::Registry;
use crate::sandbox::Sandbox;
use crate::types::{PluginKey, UnixMicros};

/// How long a stop may take on top of the configured grace: to move the journal's
/// log into its file. Without that the next start does it.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(1500);

/// How often old events are removed.
const CLEAN_INTERVAL: Duration = Duration::from_secs(60);

/// Why the host doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The journal can't be opened.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// wasmtime can't start here.
    #[error("the sandbox can't start: {0}")]
    Sandbox(String),
    /// No threads for handlers, or for the plugins folder.
    #[error("the plugins' threads can't start: {0}")]
    Threads(io::Error),
    /// The folder of compiled code can't be used.
    #[error("the code cache in {folder} can't be opened: {source}", folder = folder.display())]
    Cache {
        /// The data folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The authorities to trust can't be read.
    #[error("`outbound.ca_file`: {0}")]
    Authorities(#[from] outbound::connect::CaError),
    /// The plugins folder can't be followed.
    #[error(transparent)]
    Plugins(#[from] StartError),
    /// An address can't be listened on.
    #[error("can't listen on {address}: {source}; choose another address with {flag}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
        /// What sets it.
        flag: &'static str,
    },
}

/// A running host.
pub struct Service {
    /// Where webhooks come in.
    pub listen: SocketAddr,
    /// The operator's listener.
    pub admin: SocketAddr,
    /// What is stored.
    pub journal: Arc<dyn Journal>,
    /// The plugins.
    pub registry: Arc<Registry>,
    /// Whether all plugins of the folder are known.
    pub readiness: Readiness,
    sqlite: Arc<SqliteJournal>,
    dispatcher: Dispatcher,
    /// Turned to true to stop the listeners and the sender.
    stop: watch::Sender<bool>,
    listeners: Vec<Task>,
    background: Vec<Task>,
    /// Follows the plugins folders.
    _aside: Aside,
}

impl Service {
    /// Starts everything. Webhooks are accepted when this returns; readiness
    /// follows the first look at the plugins folder.
    ///
    /// # Errors
    /// The first part that doesn't start, with what to do about it.
    pub async fn start(config: Config) -> Result<Self, ServiceError> {
        let public = bind(config.listen, "--listen").await?;
        let operator = bind(config.admin.listen, "--admin").await?;
        let (listen, admin_address) = (
            address(&public, config.listen),
            address(&operator, config.admin.listen),
        );

        let client = client(&config.outbound)?;
        let sandbox = Sandbox::new(engine_limits(&config.limits), client.clone())
            .map_err(|error| ServiceError::Sandbox(format!("{error:#}")))?;
        let sandbox = Arc::new(sandbox);
        let (dispatcher, inbox) = Dispatcher::new();
        let bell = outbox::Bell::default();
        let feed = bell.on(inbox.feed());
        let sqlite = SqliteJournal::open(&config.data, config.journal.clone(), feed)?;
        let sqlite = Arc::new(sqlite);
        let journal: Arc<dyn Journal> = sqlite.clone();
        let cache = CodeCache::open(&config.data, config.compile.cache).map_err(|source| {
            ServiceError::Cache {
                folder: config.data.clone(),
                source,
            }
        })?;
        inbox
            .start(
                Arc::clone(&sandbox),
                sqlite.clone(),
                dispatch_limits(&config.limits, config.serve.grace),
            )
            .map_err(ServiceError::Threads)?;

        let (stop, stopped) = watch::channel(false);
        let readiness = Readiness::waiting("the plugins folder has not been looked at yet");
        let stats = Arc::new(Stats::default());
        let ingest = router(Ingest {
            journal: journal.clone(),
            endpoints: config.endpoints.iter().map(entrance).collect(),
            bounds: config.bounds,
            readiness: readiness.clone(),
            stats: Arc::clone(&stats),
        });
        let registry = Arc::new(Registry::default());
        let sent = Arc::new(outbox::Stats::default());
        let redactor = config.redactor();
        let operator_pages = admin::router(Admin {
            journal: journal.clone(),
            operate: journal.clone(),
            plugins: Arc::new(View(Arc::clone(&registry), dispatcher.clone())),
            readiness: readiness.clone(),
            stats,
            token: config.admin.token,
            redactor: redactor.clone(),
            more_metrics: vec![
                dispatch_metrics(dispatcher.clone()),
                outbox_metrics(Arc::clone(&sent)),
            ],
        });
        let sender = outbox::Sender {
            store: sqlite.clone(),
            client,
            grants: grants_of(dispatcher.clone()),
            options: config.outbound.outbox,
            redactor,
            stats: sent,
            bell,
        };
        let listeners = vec![
            task(
                "the webhook listener",
                listener(public, ingest, config.serve, stopped.clone()),
            ),
            task(
                "the admin listener",
                listener(operator, operator_pages, config.serve, stopped.clone()),
            ),
            task("the outbox's sender", sender.run(turned_true(stopped))),
        ];

        let aside = Aside::start().map_err(ServiceError::Threads)?;
        let loader = Loader {
            threads: aside.handle.clone(),
            sandbox,
            journal: journal.clone(),
            dispatcher: dispatcher.clone(),
            registry: Arc::clone(&registry),
            cache: Arc::new(cache),
            compiler: Compiler::new(own_program(), config.compile.limits),
            notes: Arc::new(Notes::open(&config.data)),
        };
        retire(journal.as_ref(), &config.endpoints).await?;
        let (policy, most) = (policy(&config.limits), config.limits.plugins);
        let listed = load(loader, config.endpoints, policy, most).await?;
        let background = vec![
            task(
                "the plugins folders' task",
                follow_plugins(listed, readiness.clone()),
            ),
            task(
                "the removal of old events",
                clean(
                    Arc::clone(&journal),
                    config.retention,
                    config.retention_size,
                ),
            ),
        ];
        Ok(Self {
            listen,
            admin: admin_address,
            journal,
            registry,
            readiness,
            sqlite,
            dispatcher,
            stop,
            listeners,
            background,
            _aside: aside,
        })
    }

    /// Waits until a part that the host can't do without is beyond repair, and
    /// says why. The host is to end with a failure then.
    pub async fn fatal(&mut self) -> String {
        let tasks = self.listeners.iter_mut().chain(&mut self.background);
        tokio::select! {
            reason = self.sqlite.fatal() => format!("the journal can't go on: {reason}"),
            () = self.dispatcher.ended() => "dispatch has ended unexpectedly".to_owned(),
            reason = first_end(tasks) => reason,
        }
    }

    /// Stops: no new requests, requests in flight and running attempts end, and
    /// what is stored is closed. Requests and attempts have the configured grace
    /// (`ingest.shutdown_grace`) together, and closing a moment; what hasn't
    /// ended by then runs again after the next start.
    pub async fn stop(self) {
        // First, and waited for: it would call the host ready again.
        for task in &self.background {
            task.handle.abort();
        }
        join_all(self.background.into_iter().filter_map(Task::running)).await;
        self.readiness.not_ready("the host is stopping");
        self.stop.send_replace(true);
        // A listener that has panicked has stopped as well.
        let listeners = join_all(self.listeners.into_iter().filter_map(Task::running));
        tokio::join!(listeners, self.dispatcher.stop());
        if timeout(CLOSE_TIMEOUT, self.journal.close()).await.is_err() {
            info!("the journal is left as after a crash: closing it takes too long");
        }
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("listen", &self.listen)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, ServiceError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServiceError::Listen {
            address,
            source,
            flag,
        })
}

/// The address with the port that the system chose.
fn address(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

async fn listener(
    listener: TcpListener,
    router: axum::Router,
    options: ServeOptions,
    stop: watch::Receiver<bool>,
) {
    serve(listener, router, options, turned_true(stop)).await;
}

async fn turned_true(mut stop: watch::Receiver<bool>) {
    // An error means that the service is gone, which is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn grants_of(dispatcher: Dispatcher) -> outbox::GrantsOf {
    Arc::new(move |plugin: &PluginKey| dispatcher.grants(plugin))
}

async fn clean(journal: Arc<dyn Journal>, retention: Duration, bytes: Option<u64>) {
    let mut interval = tokio::time::interval(CLEAN_INTERVAL);
    loop {
        interval.tick().await;
        let keep = Keep {
            since: UnixMicros::now().before(retention),
            bytes,
        };
        match journal.clean(keep).await {
            Ok(0) => {}
            Ok(removed) => info!(removed, "old events removed"),
            Err(problem) => warn!("old events can't be removed now: {problem}"),
        }
    }
}
