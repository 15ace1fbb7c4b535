//! The whole host in one value: every part started in the order in which they
//! need each other, and stopped in the opposite one.
//!
//! `serve` and `demo` are this with different settings.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::admin::{self, Admin, MoreMetrics, Page, PluginsView, Presence};
use crate::config::{Config, EndpointConfig, Limits, OutboundConfig};
use crate::dispatch::{self, Dispatcher};
use crate::ingest::health::Readiness;
use crate::ingest::serve::{ServeOptions, serve};
use crate::ingest::stats::Stats;
use crate::ingest::{Endpoint, Ingest, router};
use crate::journal::sqlite::{OpenError, SqliteJournal};
use crate::journal::{Journal, Keep, Roster};
use crate::outbound::{self, Client, Connector, SystemResolver};
use crate::outbox;
use crate::plugins::cache::CodeCache;
use crate::plugins::compile::Compiler;
use crate::plugins::loader::{Loader, Options, StartError, own_program};
use crate::plugins::manifest::Policy;
use crate::plugins::registry::{PluginStatus, Registry};
use crate::sandbox::{AttemptLimits, EffectLimits, EngineLimits, Sandbox};
use crate::types::{EndpointName, PluginKey, PluginName, UnixMicros};

/// How long a stop may take on top of the configured grace: to move the journal's
/// log into its file. Without that the next start does it.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(1500);

/// How long compiling one file may take.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(300);

/// How long resolving, connecting and the TLS handshake of a request may take
/// each: one address that doesn't answer must leave time for another.
const CONNECT_STEP: Duration = Duration::from_secs(10);

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
    /// No threads for handlers.
    #[error("the handlers' threads can't start: {0}")]
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
}

/// A task that is to run for as long as the host.
struct Task {
    name: &'static str,
    handle: JoinHandle<()>,
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

        let sandbox = Sandbox::new(engine_limits(&config.limits))
            .map_err(|error| ServiceError::Sandbox(format!("{error:#}")))?;
        let sandbox = Arc::new(sandbox);
        let (dispatcher, inbox) = Dispatcher::new();
        let client = client(&config.outbound)?;
        let bell = outbox::Bell::default();
        let feed = bell.on(inbox.feed());
        let sqlite = SqliteJournal::open(&config.data, config.journal.clone(), feed)?;
        let sqlite = Arc::new(sqlite);
        let journal: Arc<dyn Journal> = sqlite.clone();
        let cache = CodeCache::open(&config.data).map_err(|source| ServiceError::Cache {
            folder: config.data.clone(),
            source,
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
        let operator_pages = admin::router(Admin {
            journal: journal.clone(),
            operate: journal.clone(),
            plugins: Arc::new(View(Arc::clone(&registry), dispatcher.clone())),
            readiness: readiness.clone(),
            stats,
            token: config.admin.token,
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

        let loader = Loader {
            sandbox,
            journal: journal.clone(),
            dispatcher: dispatcher.clone(),
            registry: Arc::clone(&registry),
            cache: Arc::new(cache),
            compiler: Compiler::new(own_program(), COMPILE_TIMEOUT),
        };
        retire(journal.as_ref(), &config.endpoints).await?;
        let listed = load(loader, config.endpoints, policy(&config.limits)).await?;
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

fn task(name: &'static str, run: impl Future<Output = ()> + Send + 'static) -> Task {
    Task {
        name,
        handle: tokio::spawn(run),
    }
}

impl Task {
    /// Its handle, unless it has ended: one whose result was taken must not be
    /// asked again.
    fn running(self) -> Option<JoinHandle<()>> {
        (!self.handle.is_finished()).then_some(self.handle)
    }
}

/// Waits for the first of the tasks that ends, and says which and how.
async fn first_end(tasks: impl Iterator<Item = &mut Task>) -> String {
    let ends = tasks.map(|Task { name, handle }| {
        Box::pin(async move {
            match handle.await {
                Err(error) if error.is_panic() => format!("{name} has panicked"),
                Ok(()) | Err(_) => format!("{name} has ended unexpectedly"),
            }
        })
    });
    select_all(ends).await.0
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

/// What ingest needs of an endpoint.
fn entrance(endpoint: &EndpointConfig) -> Endpoint {
    Endpoint {
        name: endpoint.name.clone(),
        path: endpoint.path.clone(),
        auth: endpoint.auth.clone(),
    }
}

/// Parks the deliveries of endpoints that aren't configured any more, as those of
/// a removed plugin: nobody would run them. With the endpoint back they run.
async fn retire(roster: &dyn Roster, endpoints: &[EndpointConfig]) -> Result<(), StartError> {
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

/// Starts following each endpoint's folder.
async fn load(
    loader: Loader,
    endpoints: Vec<EndpointConfig>,
    policy: Policy,
) -> Result<Vec<watch::Receiver<bool>>, StartError> {
    let mut listed = Vec::new();
    for endpoint in endpoints {
        let folder = endpoint.plugins;
        let is_there = folder.exists();
        let options = Options {
            endpoint: endpoint.name,
            folder: folder.clone(),
            policy,
        };
        listed.push(loader.clone().start(options).await?);
        if !is_there {
            info!(folder = %folder.display(), "there was no plugins folder: made an empty one");
        }
    }
    Ok(listed)
}

/// Ready once the plugins in all folders are known. Ends with the first task that
/// follows a folder; each runs for as long as its receiver is held.
async fn follow_plugins(mut listed: Vec<watch::Receiver<bool>>, readiness: Readiness) {
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

struct View(Arc<Registry>, Dispatcher);

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

fn dispatch_metrics(dispatcher: Dispatcher) -> MoreMetrics {
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
        ];
        for (name, help, count) in counters {
            page.counter(name, help, count);
        }
    })
}

fn outbox_metrics(stats: Arc<outbox::Stats>) -> MoreMetrics {
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

fn grants_of(dispatcher: Dispatcher) -> outbox::GrantsOf {
    Arc::new(move |plugin: &PluginKey| dispatcher.grants(plugin))
}

fn client(config: &OutboundConfig) -> Result<Client, ServiceError> {
    let authorities = match &config.ca_file {
        Some(path) => outbound::connect::read_ca_file(path)?,
        None => Vec::new(),
    };
    let resolver = Arc::new(SystemResolver);
    let step = CONNECT_STEP.min(config.timeout);
    let connector = Connector::new(resolver, config.allowed.clone(), authorities, step);
    let bounds = outbound::client::Bounds {
        total: config.timeout,
        ..outbound::client::Bounds::default()
    };
    Ok(Client::new(connector, bounds))
}

fn engine_limits(limits: &Limits) -> EngineLimits {
    EngineLimits {
        attempts: u32::try_from(limits.total).unwrap_or(u32::MAX),
        max_memory: limits.memory,
    }
}

fn dispatch_limits(limits: &Limits, grace: Duration) -> dispatch::Limits {
    dispatch::Limits {
        attempts: limits.total,
        attempts_per_endpoint: limits.per_endpoint,
        memory_budget: limits.memory_budget,
        drain: grace,
    }
}

/// What plugins get, and at most.
pub(crate) fn policy(limits: &Limits) -> Policy {
    Policy {
        attempt: AttemptLimits {
            memory: limits.memory,
            cpu: limits.cpu,
            wall: limits.wall,
            log: usize::try_from(limits.log).unwrap_or(usize::MAX),
            effects: EffectLimits::default(),
        },
        concurrency: limits.per_plugin,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::journal::{Installed, JournalError};
    use crate::types::Subscription;

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
        };
        retire(&list, &[shop]).await.expect("it is done");
        assert_eq!(list.installed().await.expect("read"), [plugin("shop")]);
    }

    #[tokio::test]
    async fn a_task_that_ends_is_named() {
        let mut tasks = [
            task("the door", std::future::pending()),
            task("the window", async { panic!("broken") }),
        ];
        assert_eq!(first_end(tasks.iter_mut()).await, "the window has panicked");
        let mut tasks = [task("the roof", async {})];
        assert_eq!(
            first_end(tasks.iter_mut()).await,
            "the roof has ended unexpectedly"
        );
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
