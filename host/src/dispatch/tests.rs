//! Dispatch as a whole: real components, a journal in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use hookbox_testkit::wat::{self, World};
use tokio::sync::Notify;

use super::retry::RetryPolicy;
use super::{Dispatcher, Limits, Plugin};
use crate::journal::{
    Feed, FeedItem, Finish, JournalError, KeyValue, Next, Pending, PendingPage, Queue, Routed,
};
use crate::sandbox::{AttemptLimits, EngineLimits, Sandbox, compile};
use crate::types::effects::{KvEntry, KvPage, KvSnapshot};
use crate::types::event::Event;
use crate::types::payload::{ChatPush, Misfit, Role, TypedKind};
use crate::types::{
    DeliveryId, EndpointName, EventId, EventSeq, Payload, PluginKey, PluginName, StoredEvent,
    UnixMicros,
};

pub(super) fn key() -> PluginKey {
    PluginKey {
        endpoint: EndpointName::default_endpoint(),
        plugin: PluginName::new("test").expect("a good name"),
    }
}

pub(super) fn event(event_type: &str, body: Bytes, payload: Payload) -> StoredEvent {
    StoredEvent {
        seq: EventSeq(1),
        event: Arc::new(Event {
            id: EventId::generate(),
            endpoint: EndpointName::default_endpoint(),
            event_type: event_type.into(),
            agent_id: None,
            session_id: None,
            occurred_at: None,
            received_at: UnixMicros(0),
            test_header: false,
            body,
            payload,
        }),
    }
}

/// How the store takes an outcome.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    Superseded,
    Panics,
    Never,
}

/// Deliveries and outcomes in memory.
#[derive(Default)]
struct Memory {
    /// How it takes the first outcomes; all others go well.
    first: Mutex<VecDeque<Takes>>,
    deliveries: Mutex<BTreeMap<DeliveryId, StoredEvent>>,
    outcomes: Mutex<Vec<Finish>>,
    changed: Notify,
}

#[async_trait]
impl KeyValue for Memory {
    async fn kv_open(&self, _: &PluginKey) -> Result<KvSnapshot, JournalError> {
        Ok(KvSnapshot::default())
    }
    async fn kv_get(
        &self,
        _: &PluginKey,
        _: &str,
        keys: Vec<String>,
    ) -> Result<Vec<Option<KvEntry>>, JournalError> {
        Ok(vec![None; keys.len()])
    }
    async fn kv_list(
        &self,
        _: &PluginKey,
        _: &str,
        _: Option<String>,
    ) -> Result<KvPage, JournalError> {
        Ok(KvPage::default())
    }
}

impl Memory {
    fn forget_all_but(&self, delivery: i64) {
        let mut stored = self.deliveries.lock().expect("not poisoned");
        stored.retain(|&stored, _| stored == DeliveryId(delivery));
    }

    /// The outcomes, as soon as there are enough.
    async fn outcomes(&self, enough: impl Fn(&[Finish]) -> bool) -> Vec<Finish> {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                let outcomes = self.outcomes.lock().expect("not poisoned").clone();
                if enough(&outcomes) {
                    return outcomes;
                }
                changed.await;
            }
        };
        let outcomes = tokio::time::timeout(Duration::from_secs(30), wait).await;
        outcomes.expect("the outcomes come")
    }
}

#[async_trait]
impl Queue for Memory {
    async fn finish(&self, finish: Finish) -> Result<(), JournalError> {
        let takes = self.first.lock().expect("not poisoned").pop_front();
        match takes {
            Some(Takes::Superseded) => return Err(JournalError::Superseded),
            Some(Takes::Panics) => panic!("the journal failed"),
            Some(Takes::Never) => std::future::pending().await,
            None => {}
        }
        if !matches!(finish.next, Next::Retry { .. }) {
            let mut deliveries = self.deliveries.lock().expect("not poisoned");
            deliveries.remove(&finish.delivery);
        }
        self.outcomes.lock().expect("not poisoned").push(finish);
        self.changed.notify_waiters();
        Ok(())
    }
    async fn pending(
        &self,
        _: PluginKey,
        after: DeliveryId,
        _: usize,
    ) -> Result<PendingPage, JournalError> {
        let stored = self.deliveries.lock().expect("not poisoned");
        let pending = stored
            .range(after..)
            .skip_while(|(id, _)| **id == after)
            .map(|(&delivery, event)| Pending {
                delivery,
                event: event.clone(),
                failed_attempts: 0,
                traps: 0,
                due_at: None,
            });
        Ok(PendingPage {
            deliveries: pending.collect(),
            more: false,
        })
    }
    async fn pending_manual(
        &self,
        _: PluginKey,
        _: DeliveryId,
        _: usize,
    ) -> Result<PendingPage, JournalError> {
        Ok(PendingPage::default())
    }
}

/// Dispatch with one plugin, of which one attempt at a time may run.
pub(super) struct Bench {
    sandbox: Arc<Sandbox>,
    pub(super) dispatcher: Dispatcher,
    feed: Feed,
    journal: Arc<Memory>,
}

impl Bench {
    pub(super) async fn start(component: &[u8], first: &[Takes]) -> Self {
        let sandbox = Sandbox::new(EngineLimits {
            attempts: 2,
            ..EngineLimits::default()
        });
        let sandbox = Arc::new(sandbox.expect("the engine starts"));
        let (dispatcher, inbox) = Dispatcher::new();
        let feed = inbox.feed();
        let journal = Arc::new(Memory {
            first: Mutex::new(first.iter().copied().collect()),
            ..Memory::default()
        });
        let limits = Limits {
            attempts: 1,
            attempts_per_endpoint: 1,
            memory_budget: 64 << 20,
            drain: Duration::from_secs(30),
        };
        let policy = RetryPolicy {
            base: Duration::ZERO,
            ..RetryPolicy::default()
        };
        inbox
            .start(
                Arc::clone(&sandbox),
                Arc::<Memory>::clone(&journal),
                limits,
                policy,
            )
            .expect("the threads start");
        let bench = Self {
            sandbox,
            dispatcher,
            feed,
            journal,
        };
        bench.swap(component).await;
        bench
    }

    async fn swap(&self, component: &[u8]) {
        let code = compile::compile(component).expect("it compiles");
        let plugin = Plugin {
            version: "1".into(),
            program: self.sandbox.load(&code).expect("it fits"),
            config: Arc::new(BTreeMap::new()),
            limits: AttemptLimits {
                cpu: Duration::from_millis(100),
                ..AttemptLimits::default()
            },
            concurrency: 1,
            ordered: true,
            grants: Arc::default(),
        };
        self.dispatcher.swap(key(), Arc::new(plugin)).await;
    }

    fn commit(&self, delivery: i64, payload: Payload) {
        let delivery = DeliveryId(delivery);
        let event = event("chat.push", Bytes::from_static(b"{}"), payload);
        let mut stored = self.journal.deliveries.lock().expect("not poisoned");
        stored.insert(delivery, event.clone());
        drop(stored);
        let plugin = key();
        (self.feed)(FeedItem::Routed(vec![Routed {
            delivery,
            plugin,
            event,
        }]));
    }

    /// Waits for the outcomes, stops, and returns all that there have been.
    async fn stop_after(self, enough: impl Fn(&[Finish]) -> bool) -> Vec<Finish> {
        self.journal.outcomes(enough).await;
        assert_eq!(self.dispatcher.stop().await, 0);
        self.journal.outcomes(|_| true).await
    }
}

fn chat_push() -> Payload {
    Payload::ChatPush(ChatPush {
        role: Role::User,
        message: "hello".into(),
        session_id: "s".into(),
        timestamp: 1.5,
        raw: "{}".into(),
    })
}

fn ends(outcomes: &[Finish]) -> usize {
    let retry = |finish: &&Finish| matches!(finish.next, Next::Retry { .. });
    outcomes.len() - outcomes.iter().filter(retry).count()
}

#[tokio::test]
async fn a_delivery_that_someone_else_has_ended_is_not_tried_again() {
    let bench = Bench::start(&wat::traps(World::ChatPush), &[Takes::Superseded]).await;
    bench.commit(1, chat_push());
    bench.commit(2, chat_push());
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 1).await;
    assert_eq!(outcomes.len(), 3);
    for (finish, attempt) in outcomes.iter().zip(1..) {
        assert_eq!(finish.delivery, DeliveryId(2));
        assert_eq!((finish.attempts, finish.traps), (attempt, attempt));
    }
}

#[tokio::test]
async fn a_panic_while_an_attempt_is_settled_costs_no_slot_and_no_delivery() {
    let bench = Bench::start(&wat::logs(World::ChatPush, "hi"), &[Takes::Panics]).await;
    bench.commit(1, chat_push());
    bench.commit(2, chat_push());
    let outcomes = bench.stop_after(|outcomes| outcomes.len() == 2).await;
    let order: Vec<_> = outcomes.iter().map(|finish| finish.delivery.0).collect();
    assert_eq!(order, [2, 1]);
}

#[tokio::test]
async fn who_waits_for_a_slot_gets_it_before_the_outcome_is_stored() {
    let bench = Bench::start(&wat::loops(World::ChatPush), &[Takes::Never]).await;
    bench.commit(1, chat_push());
    bench.commit(2, chat_push());
    let outcomes = bench.journal.outcomes(|outcomes| outcomes.len() == 1).await;
    assert_eq!(outcomes[0].delivery, DeliveryId(2));
}

#[tokio::test]
async fn the_death_of_a_misfit_is_counted_and_is_no_attempt() {
    let bench = Bench::start(&wat::logs(World::ChatPush, "hi"), &[]).await;
    let misfit = Misfit {
        kind: TypedKind::ChatPush,
        path: "data.role".into(),
        message: "not\na string".into(),
    };
    bench.commit(1, Payload::Misfit(misfit));
    let outcomes = bench.journal.outcomes(|outcomes| outcomes.len() == 1).await;
    assert_eq!(outcomes[0].attempts, 0);
    let reason = outcomes[0].next.reason().expect("it is dead");
    assert!(reason.ends_with("data.role: not\\u{a}a string"), "{reason}");
    let totals = bench.dispatcher.stats().totals();
    assert_eq!((totals.dead, totals.failed_attempts), (1, 0));
}

#[tokio::test]
async fn what_waits_for_a_removed_plugin_is_read_again_when_it_is_back() {
    let bench = Bench::start(&wat::loops(World::ChatPush), &[]).await;
    for delivery in 1..=3 {
        bench.commit(delivery, chat_push());
    }
    bench.dispatcher.remove(key()).await;
    // They were parked for too long.
    bench.journal.forget_all_but(1);
    bench.swap(&wat::logs(World::ChatPush, "hi")).await;
    bench.commit(4, chat_push());
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 2).await;
    let done: Vec<_> = outcomes
        .iter()
        .filter(|finish| finish.next == Next::Done)
        .map(|finish| finish.delivery.0)
        .collect();
    assert!(done == [1, 4] || done == [4, 1], "{done:?}");
    assert!(
        outcomes
            .iter()
            .all(|finish| [1, 4].contains(&finish.delivery.0))
    );
}

#[tokio::test]
async fn the_end_of_dispatch_can_be_seen() {
    let bench = Bench::start(&wat::logs(World::ChatPush, "hi"), &[]).await;
    assert_eq!(bench.dispatcher.ended().now_or_never(), None);
    bench.dispatcher.stop().await;
    bench.dispatcher.ended().await;
}
