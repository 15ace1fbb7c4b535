//! Dispatch with a store in memory, and plugins that are components or functions.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hookbox_testkit::wat::{self, World};
use sha2::{Digest as _, Sha256};

use super::journal::{Memory, Takes};
use super::{chat_push, event_of, key};
use crate::dispatch::handler::Handler;
use crate::dispatch::{BreakerPolicy, Dispatcher, Limits, Plugin, RetryPolicy, RollbackPolicy};
use crate::journal::{Feed, FeedItem, Finish, Next, Routed};
use crate::outbound::client::Bounds;
use crate::outbound::tests::local_client;
use crate::sandbox::compile;
use crate::sandbox::{Attempt, AttemptLimits, EngineLimits, Program, Report, Sandbox, Verdict};
use crate::types::{DeliveryId, Effects, Payload, PluginKey};

/// A handler that is a function: what it reads and writes goes through the
/// attempt's entries as in the sandbox.
pub(super) struct Acts<F>(pub(super) F);

/// What such a function returns.
pub(super) type Acting = Pin<Box<dyn Future<Output = Report> + Send>>;

#[async_trait]
impl<F> Handler for Acts<F>
where
    F: Fn(Attempt) -> Acting + Send + Sync + 'static,
{
    async fn handle(&self, _: &Program, attempt: Attempt) -> Report {
        (self.0)(attempt).await
    }
}

/// An attempt that ended with this verdict, and nothing else to say.
pub(super) fn report(verdict: Verdict) -> Report {
    Report {
        verdict,
        duration: Duration::ZERO,
        cpu: Duration::ZERO,
        peak_memory: 0,
        log: Vec::new(),
        effects: Effects::default(),
    }
}

/// A plugin's settings in these tests: one attempt at a time.
pub(super) fn settings() -> Settings {
    Settings {
        concurrency: 1,
        breaker: BreakerPolicy {
            failures: 0,
            ..BreakerPolicy::default()
        },
        rollback: RollbackPolicy::default(),
    }
}

/// What differs between plugins.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) concurrency: usize,
    pub(super) breaker: BreakerPolicy,
    pub(super) rollback: RollbackPolicy,
}

/// Dispatch with a plugin, of which one attempt at a time may run.
pub(in crate::dispatch) struct Bench {
    sandbox: Arc<Sandbox>,
    pub(in crate::dispatch) dispatcher: Dispatcher,
    feed: Feed,
    pub(super) journal: Arc<Memory>,
}

impl Bench {
    /// With a component, and one attempt at a time in all.
    pub(in crate::dispatch) async fn start(component: &[u8], first: &[Takes]) -> Self {
        let sandbox = sandbox();
        let bench = Self::begin(&sandbox, sandbox.clone(), 1, first);
        bench.swap(component).await;
        bench
    }

    /// With a function instead of components, and no plugin yet.
    pub(super) fn acting<F>(attempts: usize, first: &[Takes], act: F) -> Self
    where
        F: Fn(Attempt) -> Acting + Send + Sync + 'static,
    {
        Self::begin(&sandbox(), Arc::new(Acts(act)), attempts, first)
    }

    fn begin(
        sandbox: &Arc<Sandbox>,
        handler: Arc<dyn Handler>,
        attempts: usize,
        first: &[Takes],
    ) -> Self {
        let (dispatcher, inbox) = Dispatcher::new();
        let feed = inbox.feed();
        let journal = Arc::new(Memory::new(first));
        let limits = Limits {
            attempts,
            attempts_per_endpoint: attempts,
            memory_budget: (64 << 20) * attempts as u64,
            drain: Duration::from_secs(30),
        };
        inbox
            .start_with(handler, Arc::<Memory>::clone(&journal), limits)
            .expect("the threads start");
        Self {
            sandbox: Arc::clone(sandbox),
            dispatcher,
            feed,
            journal,
        }
    }

    pub(super) async fn swap(&self, component: &[u8]) {
        self.install(key(), component, settings()).await;
    }

    /// A plugin whose component says only which events it handles.
    pub(super) async fn add(&self, key: PluginKey, settings: Settings) {
        self.install(key, &wat::logs(World::ChatPush, "hi"), settings)
            .await;
    }

    async fn install(&self, key: PluginKey, component: &[u8], settings: Settings) {
        let plugin = self.make(component, settings);
        self.dispatcher.swap(key, plugin).await;
    }

    /// A version that isn't swapped in.
    pub(super) fn make(&self, component: &[u8], settings: Settings) -> Arc<Plugin> {
        let code = compile::compile(&compile::engine().expect("it starts"), component)
            .expect("it compiles");
        Arc::new(Plugin {
            version: "1".into(),
            content: Sha256::digest(component).into(),
            program: Arc::new(self.sandbox.load(&code).expect("it fits")),
            config: Arc::new(BTreeMap::new()),
            secrets: Arc::default(),
            limits: AttemptLimits {
                cpu: Duration::from_millis(100),
                ..AttemptLimits::default()
            },
            concurrency: settings.concurrency,
            ordered: true,
            grants: Arc::default(),
            retry: RetryPolicy {
                base: Duration::ZERO,
                ..RetryPolicy::default()
            },
            breaker: settings.breaker,
            rollback: settings.rollback,
        })
    }

    pub(super) fn commit(&self, delivery: i64, payload: Payload) {
        self.commit_for(&key(), delivery, None, payload);
    }

    pub(super) fn commit_for(
        &self,
        plugin: &PluginKey,
        delivery: i64,
        session: Option<&str>,
        payload: Payload,
    ) {
        let event = event_of(session, "chat.push", Bytes::from_static(b"{}"), payload);
        self.journal
            .add(plugin.clone(), delivery, event.clone(), false);
        (self.feed)(FeedItem::Routed(vec![Routed {
            delivery: DeliveryId(delivery),
            plugin: plugin.clone(),
            event,
        }]));
    }

    /// An operator asks for these.
    pub(super) fn ask_for(&self, deliveries: impl IntoIterator<Item = i64>) {
        for delivery in deliveries {
            let body = Bytes::from_static(b"{}");
            let event = event_of(Some("s"), "chat.push", body, chat_push());
            self.journal.add(key(), delivery, event, true);
        }
        (self.feed)(FeedItem::Manual(key()));
    }

    /// Waits for the outcomes, stops, and returns all that there have been.
    pub(super) async fn stop_after(self, enough: impl Fn(&[Finish]) -> bool) -> Vec<Finish> {
        self.journal.outcomes(enough).await;
        assert_eq!(self.dispatcher.stop().await, 0);
        self.journal.outcomes(|_| true).await
    }
}

fn sandbox() -> Arc<Sandbox> {
    let limits = EngineLimits {
        attempts: 2,
        ..EngineLimits::default()
    };
    let sandbox = Sandbox::new(limits, local_client(Bounds::default()));
    Arc::new(sandbox.expect("the engine starts"))
}

/// How many deliveries have ended.
pub(super) fn ends(outcomes: &[Finish]) -> usize {
    let retry = |finish: &&Finish| matches!(finish.next, Next::Retry { .. });
    outcomes.len() - outcomes.iter().filter(retry).count()
}
