//! What the rest of the host talks to.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{mpsc, oneshot};

use super::actor::Actor;
use super::backlog::Backlog;
use super::handler::Handler;
use super::job::Job;
use super::paused::{BreakerStatus, Paused};
use super::pools::Pools;
use super::rollbacks::{Rollback, Rollbacks};
use super::run::Runner;
use super::slot::Settled;
use super::smoke::{Smoke, SmokeTurns};
use super::threads::Threads;
use super::{Limits, Plugin, Stats, Store};
use crate::journal::{Feed, FeedItem, PendingPage, Routed};
use crate::outbound::{Granted, Grants};
use crate::sandbox::Sandbox;
use crate::types::event::Event;
use crate::types::{EndpointName, PluginKey, PluginName};

/// Names a lane; never used again after it is gone.
pub(super) type LaneId = u64;

/// What changes a lane.
pub(super) enum Message {
    Committed(Vec<Routed>),
    /// An operator asked for deliveries of this plugin.
    Manual(PluginKey),
    Reread,
    Swap(PluginKey, Arc<Plugin>, oneshot::Sender<()>),
    Remove(PluginKey, oneshot::Sender<()>),
    Smoke(Smoke),
    /// With whether it is one of those that an operator asked for.
    Page(LaneId, bool, Option<PendingPage>),
    /// An attempt holds no instance any more, and this memory limit.
    SlotFree(LaneId, u64),
    /// With the memory limit if the slot wasn't free before.
    Settled(LaneId, Job, Settled, Option<u64>),
    Stop(oneshot::Sender<usize>),
}

/// Dispatch's handle: what the journal and the plugins folder talk to.
#[derive(Clone)]
pub struct Dispatcher {
    messages: mpsc::UnboundedSender<Message>,
    stats: Arc<Stats>,
    granted: Arc<Granted>,
    paused: Arc<Paused>,
    rollbacks: Arc<Rollbacks>,
}

/// The receiving end, made before the journal is opened, since the journal
/// needs the [`Feed`].
pub struct Inbox {
    messages: mpsc::UnboundedReceiver<Message>,
    sender: mpsc::UnboundedSender<Message>,
    backlog: Arc<Backlog>,
    stats: Arc<Stats>,
    paused: Arc<Paused>,
    rollbacks: Arc<Rollbacks>,
}

impl Dispatcher {
    /// Makes the handle and the inbox that [`Inbox::start`] runs.
    #[must_use]
    pub fn new() -> (Self, Inbox) {
        let (sender, messages) = mpsc::unbounded_channel();
        let stats = Arc::new(Stats::default());
        let paused = Arc::new(Paused::default());
        let rollbacks = Arc::new(Rollbacks::default());
        let dispatcher = Self {
            messages: sender.clone(),
            stats: Arc::clone(&stats),
            granted: Arc::default(),
            paused: Arc::clone(&paused),
            rollbacks: Arc::clone(&rollbacks),
        };
        let inbox = Inbox {
            messages,
            sender,
            backlog: Arc::default(),
            stats,
            paused,
            rollbacks,
        };
        (dispatcher, inbox)
    }

    /// From now on `plugin` runs the deliveries of `key`; returns when no
    /// attempt can start on an earlier version any more. Where it replaces other
    /// content it is on probation first, and may be
    /// [rolled back](Dispatcher::rollbacks).
    pub async fn swap(&self, key: PluginKey, plugin: Arc<Plugin>) {
        let (done, wait) = oneshot::channel();
        self.granted.set(key.clone(), Arc::clone(&plugin.grants));
        self.send(Message::Swap(key, plugin, done));
        // An error means that dispatch has stopped: nothing starts then.
        let _ = wait.await;
    }

    /// No attempt starts for `key` from now on; its deliveries wait in the store.
    pub async fn remove(&self, key: PluginKey) {
        let (done, wait) = oneshot::channel();
        self.granted.remove(&key);
        self.send(Message::Remove(key, done));
        let _ = wait.await;
    }

    /// Has a version that isn't swapped in handle an event, as if nothing were
    /// stored or granted.
    ///
    /// # Errors
    /// When its handler doesn't answer `ok`: why.
    pub async fn smoke(
        &self,
        name: PluginName,
        plugin: Arc<Plugin>,
        event: Arc<Event>,
    ) -> Result<(), String> {
        let (done, wait) = oneshot::channel();
        self.send(Message::Smoke(Smoke {
            name,
            plugin,
            event,
            done,
        }));
        let stopping = || Err("the host is stopping".to_owned());
        wait.await.unwrap_or_else(|_| stopping())
    }

    /// The rollbacks of an endpoint's plugins, as they happen. The last who asks
    /// gets them.
    #[must_use]
    pub fn rollbacks(&self, endpoint: EndpointName) -> mpsc::UnboundedReceiver<Rollback> {
        self.rollbacks.follow(endpoint)
    }

    /// Starts nothing more and waits for running attempts, at most
    /// [`Limits::drain`]. Returns how many had to be abandoned: they run again
    /// after the next start.
    pub async fn stop(&self) -> usize {
        let (done, wait) = oneshot::channel();
        self.send(Message::Stop(done));
        wait.await.unwrap_or(0)
    }

    /// Waits until dispatch has ended: after [`Dispatcher::stop`], or because it
    /// failed. Without a stop the host is to end with a failure then, since no
    /// delivery is handled any more.
    pub async fn ended(&self) {
        self.messages.closed().await;
    }

    /// What has been handled since the start.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What a plugin may send at present; `None` if it isn't loaded.
    #[must_use]
    pub fn grants(&self, key: &PluginKey) -> Option<Arc<Grants>> {
        self.granted.get(key)
    }

    /// Whether a plugin is paused because all its attempts failed.
    #[must_use]
    pub fn breaker(&self, key: &PluginKey) -> BreakerStatus {
        self.paused.get(key)
    }

    fn send(&self, message: Message) {
        // Fails only after the task has ended, when there is nothing to tell it.
        let _ = self.messages.send(message);
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

impl Inbox {
    /// What the journal calls with each commit's deliveries.
    #[must_use]
    pub fn feed(&self) -> Feed {
        let sender = self.sender.clone();
        let backlog = Arc::clone(&self.backlog);
        Arc::new(move |item| {
            let message = match item {
                FeedItem::Routed(routed) if backlog.admit(&routed) => Message::Committed(routed),
                // It takes the same way as deliveries, so none that were committed
                // after a gap can come in before the lanes know of the gap. One
                // such message in the channel is enough: what goes missing before
                // it is handled is in the store when it is.
                FeedItem::Routed(_) | FeedItem::Reread if backlog.open_gap() => Message::Reread,
                FeedItem::Manual(key) => Message::Manual(key),
                // The outbox isn't ours.
                FeedItem::Routed(_) | FeedItem::Reread | FeedItem::Queued => return,
            };
            let _ = sender.send(message);
        })
    }

    /// Starts the task and the threads.
    ///
    /// # Errors
    /// When the system has no threads left.
    pub fn start(
        self,
        sandbox: Arc<Sandbox>,
        journal: Arc<dyn Store>,
        limits: Limits,
    ) -> std::io::Result<()> {
        self.start_with(sandbox, journal, limits)
    }

    /// The same with whatever makes the attempts.
    pub(super) fn start_with(
        self,
        handler: Arc<dyn Handler>,
        journal: Arc<dyn Store>,
        limits: Limits,
    ) -> std::io::Result<()> {
        let (handlers, decisions) = (Threads::for_handlers()?, Threads::for_decisions()?);
        let runner = Runner {
            handler,
            journal,
            stats: self.stats,
            pools: Pools::default(),
            slots_wanted: AtomicBool::new(false),
            smokes: SmokeTurns::default(),
        };
        let actor = Actor::new(
            runner,
            self.sender,
            self.backlog,
            self.paused,
            self.rollbacks,
            limits,
            handlers.handle(),
        );
        let messages = self.messages;
        decisions.handle().spawn(async move {
            actor.run(messages).await;
            drop((handlers, decisions));
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hookbox_testkit::wat::{self, World};

    use super::*;
    use crate::dispatch::tests::Bench;

    #[tokio::test]
    async fn a_panic_of_the_task_ends_dispatch_and_not_the_process() {
        let bench = Bench::start(&wat::logs(World::ChatPush, "hi"), &[]).await;
        // No attempt runs: counting one down fails.
        bench.dispatcher.send(Message::SlotFree(0, 0));
        bench.dispatcher.ended().await;
        assert_eq!(bench.dispatcher.stop().await, 0);
    }
}
