//! The task that owns the lanes and starts attempts.
//!
//! Everything that changes a lane comes in as a [`Message`] on one channel:
//! committed deliveries, plugins that come and go, attempts that end. After each
//! batch of messages the task reads pages for lanes that are behind and starts
//! what may start, one delivery of each lane in turn.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::lane::{Job, Lane, PAGE};
use super::retry::RetryPolicy;
use super::run::{Runner, Settled};
use super::threads::HandlerThreads;
use super::{Limits, Plugin, Stats};
use crate::journal::{Feed, FeedItem, Journal, Pending, Routed};
use crate::sandbox::Sandbox;
use crate::types::{EndpointName, PluginKey, UnixMicros};

/// How many deliveries may wait in the channel. Beyond that the feed drops them
/// and all lanes catch up from the store.
const FEED_CAPACITY: usize = 16 * 1024;

/// How many attempts may have ended without their outcome being stored yet.
const MAX_UNSETTLED: usize = 2048;

/// How many messages are handled between two rounds of starting.
const BATCH: usize = 256;

/// Timers are looked at this often at least, in case the clock has jumped.
const MAX_SLEEP: Duration = Duration::from_secs(30);

/// How long to wait before a page that could not be read is asked for again.
const PAGE_RETRY: Duration = Duration::from_millis(500);

/// Dispatch's handle: what the journal and the plugins folder talk to.
#[derive(Clone)]
pub struct Dispatcher {
    messages: mpsc::UnboundedSender<Message>,
    stats: Arc<Stats>,
}

/// The receiving end, made before the journal is opened, since the journal
/// needs the [`Feed`].
pub struct Inbox {
    messages: mpsc::UnboundedReceiver<Message>,
    sender: mpsc::UnboundedSender<Message>,
    backlog: Arc<Backlog>,
    stats: Arc<Stats>,
}

/// How much of the feed waits, and whether it has a gap.
#[derive(Default)]
struct Backlog {
    queued: AtomicUsize,
    gap: AtomicBool,
}

impl Backlog {
    /// Tells the task to read the store. It takes the same way as deliveries, so
    /// none that were committed after a gap can come in before the lanes know of
    /// the gap. One such message in the channel is enough: what goes missing
    /// before it is handled is in the store when it is.
    fn reread(&self, sender: &mpsc::UnboundedSender<Message>) {
        if !self.gap.swap(true, Ordering::AcqRel) {
            let _ = sender.send(Message::Reread);
        }
    }
}

enum Message {
    Committed(Vec<Routed>),
    Reread,
    Swap(PluginKey, Arc<Plugin>, oneshot::Sender<()>),
    Remove(PluginKey, oneshot::Sender<()>),
    Page(usize, Option<Vec<Pending>>),
    SlotFree(usize, u64),
    Settled(usize, Job, Settled),
    Stop(oneshot::Sender<usize>),
}

impl Dispatcher {
    /// Makes the handle and the inbox that [`Inbox::start`] runs.
    #[must_use]
    pub fn new() -> (Self, Inbox) {
        let (sender, messages) = mpsc::unbounded_channel();
        let stats = Arc::new(Stats::default());
        let dispatcher = Self {
            messages: sender.clone(),
            stats: Arc::clone(&stats),
        };
        let inbox = Inbox {
            messages,
            sender,
            backlog: Arc::default(),
            stats,
        };
        (dispatcher, inbox)
    }

    /// From now on `plugin` runs the deliveries of `key`; returns when no
    /// attempt can start on an earlier version any more.
    pub async fn swap(&self, key: PluginKey, plugin: Arc<Plugin>) {
        let (done, wait) = oneshot::channel();
        self.send(Message::Swap(key, plugin, done));
        // An error means that dispatch has stopped: nothing starts then.
        let _ = wait.await;
    }

    /// No attempt starts for `key` from now on; its deliveries wait in the store.
    pub async fn remove(&self, key: PluginKey) {
        let (done, wait) = oneshot::channel();
        self.send(Message::Remove(key, done));
        let _ = wait.await;
    }

    /// Starts nothing more and waits for running attempts, at most
    /// [`Limits::drain`]. Returns how many had to be abandoned: they run again
    /// after the next start.
    pub async fn stop(&self) -> usize {
        let (done, wait) = oneshot::channel();
        self.send(Message::Stop(done));
        wait.await.unwrap_or(0)
    }

    /// What has been handled since the start.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
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
            let routed = match item {
                FeedItem::Routed(routed) => routed,
                FeedItem::Reread => return backlog.reread(&sender),
            };
            let waiting = backlog.queued.fetch_add(routed.len(), Ordering::Relaxed);
            if waiting > FEED_CAPACITY {
                backlog.queued.fetch_sub(routed.len(), Ordering::Relaxed);
                return backlog.reread(&sender);
            }
            let _ = sender.send(Message::Committed(routed));
        })
    }

    /// Starts the task and the handlers' threads.
    ///
    /// # Errors
    /// When the system has no threads left.
    pub fn start(
        self,
        sandbox: Arc<Sandbox>,
        journal: Arc<dyn Journal>,
        limits: Limits,
        policy: RetryPolicy,
    ) -> std::io::Result<()> {
        let threads = HandlerThreads::start()?;
        let actor = Actor {
            runner: Arc::new(Runner {
                sandbox,
                journal,
                policy,
                stats: self.stats,
            }),
            sender: self.sender,
            backlog: self.backlog,
            limits,
            threads: threads.handle(),
            lanes: Vec::new(),
            index: HashMap::new(),
            turn: VecDeque::new(),
            running: 0,
            memory: 0,
            unsettled: 0,
            endpoints: HashMap::new(),
            stopping: None,
        };
        let messages = self.messages;
        threads.handle().spawn(async move {
            actor.run(messages).await;
            threads.stop();
        });
        Ok(())
    }
}

/// A lane with what runs of it.
struct Slot {
    key: PluginKey,
    lane: Lane,
    /// None while the plugin is loading, broken or gone.
    plugin: Option<Arc<Plugin>>,
    running: usize,
    /// Whether it stands in `turn`.
    queued: bool,
}

struct Actor {
    runner: Arc<Runner>,
    sender: mpsc::UnboundedSender<Message>,
    backlog: Arc<Backlog>,
    limits: Limits,
    threads: tokio::runtime::Handle,
    lanes: Vec<Slot>,
    index: HashMap<PluginKey, usize>,
    /// The lanes that may have something to start, in turn.
    turn: VecDeque<usize>,
    /// Attempts that hold an instance.
    running: usize,
    /// The sum of their memory limits.
    memory: u64,
    /// Attempts that run or whose outcome isn't stored.
    unsettled: usize,
    /// Attempts that hold an instance, by endpoint.
    endpoints: HashMap<EndpointName, usize>,
    /// Who waits for the stop, and until when.
    stopping: Option<(oneshot::Sender<usize>, tokio::time::Instant)>,
}

impl Actor {
    async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                count = messages.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                }
                () = tokio::time::sleep(self.sleep_time()) => {}
            }
            for message in batch.drain(..) {
                self.handle(message);
            }
            if self.stopped() {
                return;
            }
            self.wake_lanes();
            self.read_pages();
            self.start_attempts();
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Committed(routed) => {
                self.backlog
                    .queued
                    .fetch_sub(routed.len(), Ordering::Relaxed);
                for Routed {
                    delivery,
                    plugin,
                    event,
                } in routed
                {
                    let lane = self.lane_of(&plugin);
                    self.lanes[lane].lane.offer(Job {
                        delivery,
                        event,
                        failed_attempts: 0,
                    });
                    self.queue(lane);
                }
            }
            Message::Reread => {
                self.backlog.gap.store(false, Ordering::Release);
                self.all_behind();
            }
            Message::Swap(key, plugin, done) => {
                let lane = self.lane_of(&key);
                self.lanes[lane].lane.set_ordered(plugin.ordered);
                self.lanes[lane].plugin = Some(plugin);
                self.queue(lane);
                let _ = done.send(());
            }
            Message::Remove(key, done) => {
                if let Some(&lane) = self.index.get(&key) {
                    self.lanes[lane].plugin = None;
                }
                let _ = done.send(());
            }
            Message::Page(lane, Some(page)) => {
                self.lanes[lane].lane.take_page(page);
                self.queue(lane);
            }
            Message::Page(lane, None) => self.lanes[lane].lane.page_failed(),
            Message::SlotFree(lane, memory) => self.slot_free(lane, memory),
            Message::Settled(lane, job, settled) => {
                self.unsettled -= 1;
                match settled {
                    Settled::Ended => self.lanes[lane].lane.end(&job),
                    Settled::PutOff(due_at) => self.lanes[lane].lane.put_off(job, due_at),
                    Settled::Abandoned => {}
                }
                self.queue(lane);
            }
            Message::Stop(done) => {
                let until = tokio::time::Instant::now() + self.limits.drain;
                self.stopping = Some((done, until));
            }
        }
    }

    /// The lane of a plugin. A new one starts behind: the store may hold
    /// deliveries for it.
    fn lane_of(&mut self, key: &PluginKey) -> usize {
        if let Some(&lane) = self.index.get(key) {
            return lane;
        }
        let lane = self.lanes.len();
        self.lanes.push(Slot {
            key: key.clone(),
            lane: Lane::new(true),
            plugin: None,
            running: 0,
            queued: false,
        });
        self.index.insert(key.clone(), lane);
        lane
    }

    /// The feed is incomplete: everything that is above what the lanes hold has
    /// to be read from the store.
    fn all_behind(&mut self) {
        for slot in &mut self.lanes {
            slot.lane.fall_behind();
        }
    }

    fn queue(&mut self, lane: usize) {
        let slot = &mut self.lanes[lane];
        if !slot.queued && slot.plugin.is_some() && slot.lane.has_ready() {
            slot.queued = true;
            self.turn.push_back(lane);
        }
    }

    fn slot_free(&mut self, lane: usize, memory: u64) {
        self.running -= 1;
        self.memory -= memory;
        self.lanes[lane].running -= 1;
        let endpoint = self.lanes[lane].key.endpoint.clone();
        let of_endpoint = self.endpoints.entry(endpoint.clone()).or_default();
        let was_full = *of_endpoint >= self.limits.attempts_per_endpoint;
        *of_endpoint -= 1;
        if was_full {
            let lanes = 0..self.lanes.len();
            for other in lanes.filter(|&other| other != lane) {
                if self.lanes[other].key.endpoint == endpoint {
                    self.queue(other);
                }
            }
        }
        self.queue(lane);
    }

    fn wake_lanes(&mut self) {
        let now = UnixMicros::now();
        for lane in 0..self.lanes.len() {
            self.lanes[lane].lane.wake(now);
            self.queue(lane);
        }
    }

    /// Until the next delivery is due.
    fn sleep_time(&self) -> Duration {
        let now = UnixMicros::now();
        let due = self.lanes.iter().filter(|slot| slot.plugin.is_some());
        let due = due.filter_map(|slot| slot.lane.next_due()).min();
        let sleep = due.map_or(MAX_SLEEP, |due| due.until(now).min(MAX_SLEEP));
        match &self.stopping {
            Some((_, until)) => {
                sleep.min(until.saturating_duration_since(tokio::time::Instant::now()))
            }
            None => sleep,
        }
    }

    /// Asks the store for deliveries of lanes that are behind. A lane without a
    /// loaded plugin needs nothing in memory.
    fn read_pages(&mut self) {
        for (lane, slot) in self.lanes.iter_mut().enumerate() {
            if slot.plugin.is_none() {
                continue;
            }
            let Some(after) = slot.lane.next_page() else {
                continue;
            };
            let journal = Arc::clone(&self.runner.journal);
            let key = slot.key.clone();
            let sender = self.sender.clone();
            self.threads.spawn(async move {
                let page = match journal.pending(key.clone(), after, PAGE).await {
                    Ok(page) => Some(page),
                    Err(problem) => {
                        warn!(endpoint = %key.endpoint, plugin = %key.plugin, "{problem}");
                        tokio::time::sleep(PAGE_RETRY).await;
                        None
                    }
                };
                let _ = sender.send(Message::Page(lane, page));
            });
        }
    }

    fn start_attempts(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        while self.running < self.limits.attempts && self.unsettled < MAX_UNSETTLED {
            let Some(lane) = self.turn.pop_front() else {
                return;
            };
            let slot = &mut self.lanes[lane];
            slot.queued = false;
            let Some(plugin) = slot.plugin.clone() else {
                continue;
            };
            let of_endpoint = self.endpoints.entry(slot.key.endpoint.clone()).or_default();
            // It is queued again when one of its attempts, or of its endpoint's, ends.
            if slot.running >= plugin.concurrency
                || *of_endpoint >= self.limits.attempts_per_endpoint
            {
                continue;
            }
            // A single attempt may exceed the budget if nothing else runs.
            let over_budget = self.memory + plugin.limits.memory > self.limits.memory_budget;
            if over_budget && self.running > 0 {
                slot.queued = true;
                self.turn.push_front(lane);
                return;
            }
            let Some(job) = slot.lane.start() else {
                continue;
            };
            slot.running += 1;
            *of_endpoint += 1;
            self.running += 1;
            self.unsettled += 1;
            self.memory += plugin.limits.memory;
            self.spawn(lane, plugin, job);
            self.queue(lane);
        }
    }

    fn spawn(&self, lane: usize, plugin: Arc<Plugin>, mut job: Job) {
        let runner = Arc::clone(&self.runner);
        let sender = self.sender.clone();
        let key = self.lanes[lane].key.clone();
        self.threads.spawn(async move {
            let memory = plugin.limits.memory;
            let slot_free = || {
                let _ = sender.send(Message::SlotFree(lane, memory));
            };
            let settled = runner.run(&key, &plugin, &mut job, slot_free).await;
            let _ = sender.send(Message::Settled(lane, job, settled));
        });
    }

    /// Whether a stop has been asked for and is through.
    fn stopped(&mut self) -> bool {
        let Some((_, until)) = &self.stopping else {
            return false;
        };
        if self.unsettled > 0 && tokio::time::Instant::now() < *until {
            return false;
        }
        if self.unsettled > 0 {
            info!(
                attempts = self.unsettled,
                "abandoned running attempts; they run again after the next start"
            );
        }
        if let Some((done, _)) = self.stopping.take() {
            let _ = done.send(self.unsettled);
        }
        true
    }
}
