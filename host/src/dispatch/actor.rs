//! The task that starts attempts.
//!
//! Everything that changes the [`scheduler`](super::scheduler) comes in as a
//! [`Message`] on one channel: committed deliveries, plugins that come and go,
//! attempts that end. After each batch of messages the task reads pages for lanes
//! that are behind and starts what may start.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::backlog::Backlog;
use super::breaker::Change;
use super::handle::{LaneId, Message};
use super::job::Job;
use super::lane::Bounds;
use super::now::Now;
use super::paused::Paused;
use super::rollbacks::{Rollback, Rollbacks};
use super::run::{Runner, Whose};
use super::scheduler::{Scheduler, Started, WantedPage};
use super::slot::{Aftermath, Settled, Terms};
use super::ticket::Ticket;
use super::versions::RolledBack;
use super::{Limits, Plugin};
use crate::journal::JournalError;

/// How many messages are handled between two rounds of starting.
const BATCH: usize = 256;

/// Sleeps no longer than this, for a machine that was asleep itself.
const MAX_SLEEP: Duration = Duration::from_secs(30);

/// How long to wait before a page that could not be read is asked for again.
const PAGE_RETRY: Duration = Duration::from_millis(500);

pub(super) struct Actor {
    runner: Arc<Runner>,
    sender: mpsc::UnboundedSender<Message>,
    backlog: Arc<Backlog>,
    paused: Arc<Paused>,
    rollbacks: Arc<Rollbacks>,
    drain: Duration,
    threads: tokio::runtime::Handle,
    scheduler: Scheduler<Arc<Plugin>>,
    /// Who waits for the stop, and until when.
    stopping: Option<(oneshot::Sender<usize>, Instant)>,
}

impl Actor {
    pub(super) fn new(
        runner: Runner,
        sender: mpsc::UnboundedSender<Message>,
        backlog: Arc<Backlog>,
        paused: Arc<Paused>,
        rollbacks: Arc<Rollbacks>,
        limits: Limits,
        threads: tokio::runtime::Handle,
    ) -> Self {
        Self {
            runner: Arc::new(runner),
            sender,
            backlog,
            paused,
            rollbacks,
            drain: limits.drain,
            threads,
            scheduler: Scheduler::new(limits, Bounds::default()),
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
            let now = Instant::now();
            self.scheduler.wake(now);
            for page in self.scheduler.wanted_pages() {
                self.read_page(page);
            }
            if self.stopping.is_none() {
                while let Some(started) = self.scheduler.start(now) {
                    self.start(started);
                }
            }
            let wanted = self.scheduler.waits(now);
            self.runner.slots_wanted.store(wanted, Ordering::Relaxed);
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Committed(routed) => {
                self.backlog.taken(&routed);
                self.scheduler.committed(routed);
            }
            Message::Manual(key) => self.scheduler.asked_for(&key),
            Message::Reread => {
                self.backlog.close_gap();
                self.scheduler.reread();
            }
            Message::Swap(key, plugin, done) => {
                self.paused.set(&key, None, Now::read());
                let terms = terms(&plugin);
                self.scheduler.swap(key, plugin, terms);
                let _ = done.send(());
            }
            Message::Remove(key, done) => {
                self.paused.set(&key, None, Now::read());
                self.scheduler.remove(&key);
                let _ = done.send(());
            }
            Message::Smoke(smoke) => {
                let runner = Arc::clone(&self.runner);
                self.threads.spawn(async move { runner.smoke(smoke).await });
            }
            Message::Page(lane, manual, page) => {
                self.scheduler.page(lane, manual, page, Now::read());
            }
            Message::SlotFree(lane, memory) => self.scheduler.slot_free(lane, memory),
            Message::Settled(lane, job, settled, slot) => {
                if let Some(memory) = slot {
                    self.scheduler.slot_free(lane, memory);
                }
                self.settled(lane, job, settled);
            }
            Message::Stop(done) => {
                self.stopping = Some((done, Instant::now() + self.drain));
            }
        }
    }

    fn settled(&mut self, lane: LaneId, job: Job, settled: Settled) {
        let now = Now::read();
        let probe = job.probe.is_some();
        let trap = job.trap.clone();
        let Aftermath {
            change,
            rolled_back,
        } = self.scheduler.settled(lane, job, settled, now.mono);
        if let Some(rolled_back) = rolled_back {
            self.say_rolled_back(lane, rolled_back, trap, now);
            return;
        }
        if change.is_none() && !probe {
            return;
        }
        let Some(slot) = self.scheduler.slot(lane) else {
            return;
        };
        let key = &slot.key;
        let failures = slot.breaker().failures();
        let breaker = slot.version().map(|_| slot.breaker());
        self.paused.set(key, breaker, now);
        match change {
            Some(Change::Opened(pause)) => {
                self.runner.stats.count_pause();
                warn!(
                    endpoint = %key.endpoint, plugin = %key.plugin,
                    "plugin paused for {} ms: its latest {failures} attempts failed; its deliveries wait",
                    pause.as_millis()
                );
            }
            Some(Change::Closed) => {
                info!(endpoint = %key.endpoint, plugin = %key.plugin, "plugin works again, the pause is over");
            }
            None => {}
        }
    }

    fn say_rolled_back(
        &self,
        lane: LaneId,
        rolled_back: RolledBack<Arc<Plugin>>,
        trap: Option<String>,
        now: Now,
    ) {
        let RolledBack {
            from,
            to,
            ended,
            traps,
        } = rolled_back;
        let Some(slot) = self.scheduler.slot(lane) else {
            return;
        };
        let key = (*slot.key).clone();
        self.paused.set(&key, None, now);
        self.runner.stats.count_rollback();
        let latest = trap.map_or_else(String::new, |trap| format!(", at last: {trap}"));
        let reason =
            format!("{traps} of its first {ended} attempts trapped or hit a limit{latest}");
        error!(
            endpoint = %key.endpoint, plugin = %key.plugin,
            version = %from.version, earlier = %to.version,
            "plugin rolled back to the version before: {reason}; what failed runs again on the earlier version"
        );
        self.rollbacks.tell(Rollback {
            key,
            from,
            to,
            reason,
            since: now.wall,
        });
    }

    /// Until there is something to do that no message tells.
    fn sleep_time(&self) -> Duration {
        let now = Instant::now();
        let stop = self.stopping.as_ref().map(|(_, until)| *until);
        let until = self.scheduler.next_due(now).into_iter().chain(stop).min();
        let sleep = until.map(|until| until.saturating_duration_since(now));
        sleep.map_or(MAX_SLEEP, |sleep| sleep.min(MAX_SLEEP))
    }

    fn read_page(&self, page: WantedPage) {
        let WantedPage {
            lane,
            key,
            manual,
            after,
            limit,
        } = page;
        let runner = Arc::clone(&self.runner);
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let plugin = (*key).clone();
            let page = if manual {
                runner.journal.pending_manual(plugin, after, limit).await
            } else {
                runner.journal.pending(plugin, after, limit).await
            };
            let page = match page {
                Ok(page) => Some(page),
                Err(problem) => {
                    if !matches!(problem, JournalError::Closed) {
                        warn!(endpoint = %key.endpoint, plugin = %key.plugin, "{problem}");
                    }
                    tokio::time::sleep(PAGE_RETRY).await;
                    None
                }
            };
            let _ = sender.send(Message::Page(lane, manual, page));
        });
    }

    fn start(&self, started: Started<Arc<Plugin>>) {
        let Started {
            lane,
            key,
            plugin,
            job,
            memory,
        } = started;
        let Some(slot) = self.scheduler.slot(lane) else {
            return;
        };
        if job.probe.is_some() {
            self.paused.set(&key, Some(slot.breaker()), Now::read());
            info!(endpoint = %key.endpoint, plugin = %key.plugin, delivery = %job.delivery, "one attempt shows whether the paused plugin works again");
        }
        let whose = Whose {
            key,
            plugin,
            contention: slot.contention().clone(),
        };
        let ticket = Ticket::new(job, self.sender.clone(), lane, memory);
        let runner = Arc::clone(&self.runner);
        self.threads
            .spawn(async move { runner.run(&whose, ticket).await });
    }

    /// Whether a stop has been asked for and is through.
    fn stopped(&mut self) -> bool {
        let Some((_, until)) = &self.stopping else {
            return false;
        };
        let unsettled = self.scheduler.unsettled();
        if unsettled > 0 && Instant::now() < *until {
            return false;
        }
        if unsettled > 0 {
            info!(
                attempts = unsettled,
                "abandoned running attempts; they run again after the next start"
            );
        }
        if let Some((done, _)) = self.stopping.take() {
            let _ = done.send(unsettled);
        }
        true
    }
}

fn terms(plugin: &Plugin) -> Terms {
    Terms {
        content: plugin.content,
        concurrency: plugin.concurrency,
        memory: plugin.limits.memory,
        ordered: plugin.ordered,
        longest_wait: plugin.retry.max,
        breaker: plugin.breaker,
        rollback: plugin.rollback,
    }
}
