//! What dispatch knows of one plugin: its versions, its deliveries in memory, what
//! they claim, its breaker, and how much of it runs. Pure.
//!
//! There are two lanes: one for deliveries as they are stored, one for those that
//! an operator asked for, which run beside the order of sessions. They take turns
//! and share the plugin's concurrency.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::breaker::{Breaker, BreakerPolicy, Change, Evidence};
use super::contention::{Age, Claim, Contest, SharedContention};
use super::job::Job;
use super::lane::{Bounds, Lane};
use super::probation::RollbackPolicy;
use super::turns::EndpointIndex;
use super::versions::{Content, RolledBack, Version, Versions};
use crate::types::PluginKey;
use crate::types::effects::KvKey;

/// What the scheduler has to know of a plugin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// What the version's file holds.
    pub(super) content: Content,
    /// How many attempts may run at once.
    pub(super) concurrency: usize,
    /// The memory limit of one.
    pub(super) memory: u64,
    /// Whether sessions are kept in order.
    pub(super) ordered: bool,
    /// Nothing waits longer than this for its next attempt.
    pub(super) longest_wait: Duration,
    /// When to pause it.
    pub(super) breaker: BreakerPolicy,
    /// When to go back to the version before it.
    pub(super) rollback: RollbackPolicy,
}

/// What follows from the end of an attempt, beyond its delivery.
#[derive(Debug)]
pub(super) struct Aftermath<P> {
    /// What has become of the breaker.
    pub(super) change: Option<Change>,
    /// The version that the attempt was of is replaced by the one before.
    pub(super) rolled_back: Option<RolledBack<P>>,
}

impl<P> Default for Aftermath<P> {
    fn default() -> Self {
        Self {
            change: None,
            rolled_back: None,
        }
    }
}

/// What becomes of a started delivery.
#[derive(Clone, Debug)]
pub(super) enum Settled {
    /// It has ended; the outcome is stored.
    Ended(Evidence),
    /// It runs again at that moment.
    PutOff(Instant, Evidence),
    /// It runs again: its attempt met a conflict. With a number that is evenly
    /// distributed in 0..1.
    Conflict(Met, f64),
    /// The journal is closed: nothing more is to be done here.
    Abandoned,
}

/// What an attempt conflicted with.
#[derive(Clone, Debug)]
pub(super) enum Met {
    /// Another attempt has changed this entry meanwhile.
    Changed(KvKey),
    /// It is another's turn to use this.
    Claimed(Claim),
}

/// A plugin, and a version of it unless it is gone.
pub(super) struct Slot<P> {
    pub(super) key: Arc<PluginKey>,
    pub(super) endpoint: EndpointIndex,
    versions: Versions<P>,
    stored: Lane,
    manual: Lane,
    /// Whose turn it is among the lanes.
    manual_next: bool,
    contention: SharedContention,
    /// Started deliveries that wait for what they claim.
    parked: HashMap<Age, Job>,
    /// Those that have it.
    granted: VecDeque<Job>,
    breaker: Breaker,
    /// Attempts that hold an instance.
    pub(super) running: usize,
    /// How often others have started although it was its turn, since it needs
    /// more memory than there was.
    pub(super) overtaken: u32,
}

impl<P: Version> Slot<P> {
    /// Its lanes start behind: the store may hold deliveries for it.
    pub(super) fn new(key: PluginKey, endpoint: EndpointIndex, bounds: Bounds) -> Self {
        Self {
            key: Arc::new(key),
            endpoint,
            versions: Versions::none(),
            stored: Lane::new(true, bounds),
            manual: Lane::new(false, bounds),
            manual_next: false,
            contention: SharedContention::default(),
            parked: HashMap::new(),
            granted: VecDeque::new(),
            breaker: Breaker::new(BreakerPolicy::default()),
            running: 0,
            overtaken: 0,
        }
    }

    /// From now on this version runs. Its breaker is closed.
    pub(super) fn swap(&mut self, plugin: P, terms: Terms) {
        self.stored.set_ordered(terms.ordered);
        self.breaker = Breaker::new(terms.breaker);
        self.versions.swap(plugin, terms);
    }

    /// The plugin is gone: what doesn't run waits in the store, where it may be
    /// ended before the plugin comes back.
    pub(super) fn remove(&mut self) {
        self.versions.remove();
        let mut waiting: Vec<Job> = self.parked.drain().map(|(_, job)| job).collect();
        waiting.extend(self.granted.drain(..));
        for job in &waiting {
            if let Some(contest) = &job.contest {
                // Whoever is granted something now is among those that go.
                self.contention.lock().leave(contest.age);
            }
            self.lane(job.manual).leave(job);
        }
        self.stored.clear();
        self.manual.clear();
    }

    pub(super) fn version(&self) -> Option<&(P, Terms)> {
        self.versions.current()
    }

    pub(super) fn contention(&self) -> &SharedContention {
        &self.contention
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(super) fn lane(&mut self, manual: bool) -> &mut Lane {
        if manual {
            &mut self.manual
        } else {
            &mut self.stored
        }
    }

    /// Whether nothing of it is in memory.
    pub(super) fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.manual.is_empty()
    }

    /// Whether a delivery could start if there were room for it.
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.version().is_some() && self.has_ready() && self.breaker.may_start(now)
    }

    fn has_ready(&self) -> bool {
        !self.granted.is_empty() || self.stored.has_ready() || self.manual.has_ready()
    }

    /// Makes ready what is due.
    pub(super) fn wake(&mut self, now: Instant) {
        self.stored.wake(now);
        self.manual.wake(now);
    }

    /// When it has something to do next that no message tells.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.version()?;
        let pause = self.breaker.open_until();
        let pause = pause.filter(|&until| until > now && self.has_ready());
        let lanes = [self.stored.next_due(), self.manual.next_due(), pause];
        lanes.into_iter().flatten().min()
    }

    /// The next delivery to run, if any: those that have waited for their claims
    /// first, so that the others come on.
    pub(super) fn start(&mut self, now: Instant) -> Option<Job> {
        if self.version().is_none() || !self.breaker.may_start(now) {
            return None;
        }
        let mut job = self.next_job()?;
        job.generation = self.versions.generation();
        job.trial = self.versions.trial();
        job.trap = None;
        job.probe = self.breaker.start();
        Some(job)
    }

    fn next_job(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.granted.pop_front() {
                return Some(job);
            }
            let (first, second) = (self.manual_next, !self.manual_next);
            let (mut job, manual) = match self.lane(first).start() {
                Some(job) => (job, first),
                None => (self.lane(second).start()?, second),
            };
            job.manual = manual;
            self.manual_next = !manual;
            if let Some(job) = self.claim(job) {
                return Some(job);
            }
        }
    }

    /// A started delivery is through with its attempt.
    pub(super) fn settled(&mut self, mut job: Job, settled: Settled, now: Instant) -> Aftermath<P> {
        let evidence = match &settled {
            Settled::Ended(evidence) | Settled::PutOff(_, evidence) => *evidence,
            Settled::Conflict(..) | Settled::Abandoned => Evidence::Nothing,
        };
        let change = (job.generation == self.versions.generation())
            .then(|| self.breaker.ended(job.probe, evidence, job.source(), now))
            .flatten();
        let rolled_back = self.versions.ended(job.generation, job.trial, evidence);
        self.unclaim(&job);
        let manual = job.manual;
        match settled {
            Settled::Ended(_) => self.lane(manual).end(&job),
            Settled::Abandoned => {}
            Settled::PutOff(..) | Settled::Conflict(..) if self.version().is_none() => {
                self.lane(manual).leave(&job);
            }
            Settled::PutOff(due, evidence) => {
                // The next attempt that counts starts without old conflicts.
                if evidence != Evidence::Nothing {
                    job.contest = None;
                }
                // The version that trapped doesn't run any more: another may do
                // better.
                let gone = job.trap.is_some() && job.generation != self.versions.generation();
                self.lane(manual).put_off(job, if gone { now } else { due });
            }
            Settled::Conflict(met, random) => {
                let contest = job.contest.get_or_insert_with(|| {
                    Box::new(Contest::new(self.contention.lock().next_age()))
                });
                match met {
                    Met::Changed(at) => contest.changed(at),
                    Met::Claimed(claim) => {
                        contest.claims.insert(claim);
                    }
                }
                if contest.claims.is_empty() {
                    let due = now + contest.pause(random);
                    self.lane(manual).put_off(job, due);
                } else if let Some(job) = self.claim(job) {
                    self.granted.push_back(job);
                }
            }
        }
        if rolled_back.is_some() {
            self.start_over();
        }
        Aftermath {
            change,
            rolled_back,
        }
    }

    /// The earlier version runs again, and what has trapped on the other at once.
    fn start_over(&mut self) {
        if let Some((_, terms)) = self.versions.current() {
            self.breaker = Breaker::new(terms.breaker);
        }
        self.stored.hasten();
        self.manual.hasten();
    }

    /// Gives the delivery back if it has all that it claims, or has it wait.
    fn claim(&mut self, job: Job) -> Option<Job> {
        let Some(contest) = job.contest.as_ref().filter(|it| !it.claims.is_empty()) else {
            return Some(job);
        };
        let (age, claims) = (contest.age, contest.claims.clone());
        if self.contention.lock().enter(age, claims) {
            return Some(job);
        }
        self.parked.insert(age, job);
        None
    }

    /// What it held is for the next ones.
    fn unclaim(&mut self, job: &Job) {
        let Some(contest) = &job.contest else {
            return;
        };
        let granted = self.contention.lock().leave(contest.age);
        let granted = granted
            .into_iter()
            .filter_map(|age| self.parked.remove(&age));
        self.granted.extend(granted);
    }
}

#[cfg(test)]
#[path = "slot_tests.rs"]
mod tests;
