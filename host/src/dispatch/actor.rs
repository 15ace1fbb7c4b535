//! The task that owns the lanes and starts attempts.
//!
//! Everything that changes a lane comes in as a [`Message`] on one channel:
//! committed deliveries, plugins that come and go, attempts that end. After each
//! batch of messages the task reads pages for lanes that are behind and starts
//! what may start, one delivery of each lane in turn.
//!
//! There is a lane for each plugin that is loaded, and for one that is gone as
//! long as attempts of it run.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::backlog::Backlog;
use super::handle::{LaneId, Message};
use super::lane::{Job, Lane, PAGE};
use super::retry::Attempts;
use super::run::{Runner, Settled};
use super::ticket::Ticket;
use super::{Limits, Plugin};
use crate::journal::Routed;
use crate::types::{EndpointName, PluginKey, UnixMicros};

/// How many attempts may have ended without their outcome being stored yet.
const MAX_UNSETTLED: usize = 2048;

/// How many messages are handled between two rounds of starting.
const BATCH: usize = 256;

/// Timers are looked at this often at least, in case the clock has jumped.
const MAX_SLEEP: Duration = Duration::from_secs(30);

/// How long to wait before a page that could not be read is asked for again.
const PAGE_RETRY: Duration = Duration::from_millis(500);

/// A lane with what runs of it.
struct Slot {
    key: Arc<PluginKey>,
    /// Its endpoint's place in `Actor::endpoints`.
    endpoint: usize,
    lane: Lane,
    /// None while the plugin is gone.
    plugin: Option<Arc<Plugin>>,
    /// Attempts that hold an instance.
    running: usize,
    /// Whether it stands in `turn`.
    queued: bool,
}

impl Slot {
    /// Whether a delivery could start if there were a slot for it.
    fn waits(&self) -> bool {
        self.plugin.is_some() && self.lane.has_ready()
    }
}

/// The attempts of an endpoint that hold an instance.
struct Endpoint {
    name: EndpointName,
    running: usize,
}

pub(super) struct Actor {
    runner: Arc<Runner>,
    sender: mpsc::UnboundedSender<Message>,
    backlog: Arc<Backlog>,
    limits: Limits,
    threads: tokio::runtime::Handle,
    lanes: BTreeMap<LaneId, Slot>,
    index: HashMap<PluginKey, LaneId>,
    next_lane: LaneId,
    /// The lanes that may have something to start, in turn.
    turn: VecDeque<LaneId>,
    /// Attempts that hold an instance.
    running: usize,
    /// The sum of their memory limits.
    memory: u64,
    /// Attempts that run or whose outcome isn't stored.
    unsettled: usize,
    /// All that there have been: a host has few.
    endpoints: Vec<Endpoint>,
    /// Who waits for the stop, and until when.
    stopping: Option<(oneshot::Sender<usize>, tokio::time::Instant)>,
}

impl Actor {
    pub(super) fn new(
        runner: Runner,
        sender: mpsc::UnboundedSender<Message>,
        backlog: Arc<Backlog>,
        limits: Limits,
        threads: tokio::runtime::Handle,
    ) -> Self {
        Self {
            runner: Arc::new(runner),
            sender,
            backlog,
            limits,
            threads,
            lanes: BTreeMap::new(),
            index: HashMap::new(),
            next_lane: 0,
            turn: VecDeque::new(),
            running: 0,
            memory: 0,
            unsettled: 0,
            endpoints: Vec::new(),
            stopping: None,
        }
    }

    pub(super) async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
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
            let wanted = self.lanes.values().any(Slot::waits);
            self.runner.slots_wanted.store(wanted, Ordering::Relaxed);
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Committed(routed) => self.committed(routed),
            Message::Reread => {
                self.backlog.close_gap();
                // Everything that is above what the lanes hold has to be read
                // from the store.
                for slot in self.lanes.values_mut() {
                    slot.lane.fall_behind();
                }
            }
            Message::Swap(key, plugin, done) => {
                let slot = self.slot_of(key);
                slot.lane.set_ordered(plugin.ordered);
                slot.plugin = Some(plugin);
                let _ = done.send(());
            }
            Message::Remove(key, done) => {
                self.remove(&key);
                let _ = done.send(());
            }
            Message::Page(lane, page) => {
                // A lane that is gone has left its deliveries to the store.
                if let Some(slot) = self.lanes.get_mut(&lane) {
                    match page {
                        Some(page) => slot.lane.take_page(page),
                        None => slot.lane.page_failed(),
                    }
                }
            }
            Message::SlotFree(lane, memory) => self.slot_free(lane, memory),
            Message::Settled(lane, job, settled, slot) => {
                if let Some(memory) = slot {
                    self.slot_free(lane, memory);
                }
                self.settled(lane, job, settled);
            }
            Message::Stop(done) => {
                let until = tokio::time::Instant::now() + self.limits.drain;
                self.stopping = Some((done, until));
            }
        }
    }

    /// Deliveries of a plugin that isn't loaded wait in the store: its lane will
    /// start behind.
    fn committed(&mut self, routed: Vec<Routed>) {
        self.backlog.taken(&routed);
        for Routed {
            delivery,
            plugin,
            event,
        } in routed
        {
            let lane = self.index.get(&plugin);
            if let Some(slot) = lane.and_then(|lane| self.lanes.get_mut(lane)) {
                slot.lane
                    .offer(Job::new(delivery, event, Attempts::default()));
            }
        }
    }

    /// The lane of a plugin. A new one starts behind: the store may hold
    /// deliveries for it.
    fn slot_of(&mut self, key: PluginKey) -> &mut Slot {
        let lane = *self.index.entry(key.clone()).or_insert_with(|| {
            self.next_lane += 1;
            self.next_lane
        });
        let endpoints = &mut self.endpoints;
        self.lanes.entry(lane).or_insert_with(|| {
            let known = endpoints.iter().position(|one| one.name == key.endpoint);
            let endpoint = known.unwrap_or_else(|| {
                endpoints.push(Endpoint {
                    name: key.endpoint.clone(),
                    running: 0,
                });
                endpoints.len() - 1
            });
            Slot {
                key: Arc::new(key),
                endpoint,
                lane: Lane::new(true),
                plugin: None,
                running: 0,
                queued: false,
            }
        })
    }

    /// The plugin is gone: what doesn't run waits in the store, where it may be
    /// ended before the plugin comes back.
    fn remove(&mut self, key: &PluginKey) {
        let Some(&lane) = self.index.get(key) else {
            return;
        };
        if let Some(slot) = self.lanes.get_mut(&lane) {
            slot.plugin = None;
            slot.lane.clear();
        }
        self.free_if_empty(lane);
    }

    fn free_if_empty(&mut self, lane: LaneId) {
        let slot = self.lanes.get(&lane);
        if slot.is_some_and(|slot| slot.plugin.is_none() && slot.lane.is_empty())
            && let Some(slot) = self.lanes.remove(&lane)
        {
            self.index.remove(&*slot.key);
        }
    }

    fn slot_free(&mut self, lane: LaneId, memory: u64) {
        self.running -= 1;
        self.memory -= memory;
        // The lane is there: the delivery isn't settled.
        if let Some(slot) = self.lanes.get_mut(&lane) {
            slot.running -= 1;
            self.endpoints[slot.endpoint].running -= 1;
        }
    }

    fn settled(&mut self, lane: LaneId, job: Job, settled: Settled) {
        self.unsettled -= 1;
        let Some(slot) = self.lanes.get_mut(&lane) else {
            return;
        };
        match settled {
            Settled::Ended => slot.lane.end(&job),
            Settled::PutOff(due_at) if slot.plugin.is_some() => slot.lane.put_off(job, due_at),
            Settled::PutOff(_) => slot.lane.leave(&job),
            Settled::Abandoned => {}
        }
        self.free_if_empty(lane);
    }

    /// Makes ready what is due, and gives each lane its turn that has something
    /// to start. So nothing else has to think of that.
    fn wake_lanes(&mut self) {
        let now = UnixMicros::now();
        for (&lane, slot) in &mut self.lanes {
            slot.lane.wake(now);
            if !slot.queued && slot.waits() {
                slot.queued = true;
                self.turn.push_back(lane);
            }
        }
    }

    /// Until the next delivery is due.
    fn sleep_time(&self) -> Duration {
        let now = UnixMicros::now();
        let due = self.lanes.values().filter(|slot| slot.plugin.is_some());
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
        for (&lane, slot) in &mut self.lanes {
            if slot.plugin.is_none() {
                continue;
            }
            let Some(after) = slot.lane.next_page() else {
                continue;
            };
            let runner = Arc::clone(&self.runner);
            let key = Arc::clone(&slot.key);
            let sender = self.sender.clone();
            self.threads.spawn(async move {
                let page = runner.journal.pending((*key).clone(), after, PAGE).await;
                let page = match page {
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
            let Some(slot) = self.lanes.get_mut(&lane) else {
                continue;
            };
            slot.queued = false;
            let Some(plugin) = slot.plugin.clone() else {
                continue;
            };
            let of_endpoint = &mut self.endpoints[slot.endpoint].running;
            // Its next turn comes after the next message.
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
            if slot.lane.has_ready() {
                slot.queued = true;
                self.turn.push_back(lane);
            }
            let ticket = Ticket::new(job, self.sender.clone(), lane, plugin.limits.memory);
            let runner = Arc::clone(&self.runner);
            let key = Arc::clone(&slot.key);
            self.threads
                .spawn(async move { runner.run(&key, &plugin, ticket).await });
        }
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
