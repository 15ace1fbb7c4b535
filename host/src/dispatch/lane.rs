//! The deliveries of one plugin that are in memory. Pure: no clock, no store.
//!
//! A delivery comes in from the feed ([`Lane::offer`]) or from a page of the
//! store ([`Lane::take_page`]), waits until its session is free and it is due,
//! is [started](Lane::start), and [ends](Lane::end) or is
//! [put off](Lane::put_off).
//!
//! Memory is bounded by [`CAPACITY`]. A lane that is full falls *behind*: it
//! ignores the feed and later catches up from the store, where everything is.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::journal::Pending;
use crate::types::{DeliveryId, StoredEvent, UnixMicros};

/// How many deliveries a lane holds at most.
pub const CAPACITY: usize = 4096;

/// How many deliveries are read from the store at once.
pub const PAGE: usize = 512;

/// A delivery in memory.
#[derive(Clone, Debug)]
pub struct Job {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The event.
    pub event: StoredEvent,
    /// How many attempts have failed.
    pub failed_attempts: u32,
}

/// The deliveries of one plugin that are in memory.
#[derive(Debug)]
pub struct Lane {
    /// Whether sessions are kept in order.
    ordered: bool,
    /// What may start at once, in order.
    ready: VecDeque<Job>,
    /// What waits for a moment, by that moment.
    put_off: BTreeMap<(UnixMicros, DeliveryId), Job>,
    /// For each session with a delivery that is ready, running or put off: what
    /// waits behind it.
    sessions: HashMap<String, VecDeque<Job>>,
    /// How many deliveries there are, those being run included.
    held: usize,
    /// The highest delivery that was taken in.
    highest: DeliveryId,
    /// The store has deliveries above `highest` that aren't here.
    behind: bool,
    /// A page is being read.
    reading: bool,
    /// The feed offered something while a page was being read.
    missed: bool,
}

impl Lane {
    /// A lane that has yet to read what the store holds for it.
    #[must_use]
    pub fn new(ordered: bool) -> Self {
        Self {
            ordered,
            ready: VecDeque::new(),
            put_off: BTreeMap::new(),
            sessions: HashMap::new(),
            held: 0,
            highest: DeliveryId(0),
            behind: true,
            reading: false,
            missed: false,
        }
    }

    /// Changes whether sessions are kept in order, for what comes in from now on.
    pub fn set_ordered(&mut self, ordered: bool) {
        self.ordered = ordered;
    }

    /// Takes a freshly committed delivery, or leaves it to the store.
    pub fn offer(&mut self, job: Job) {
        if self.behind || self.held >= CAPACITY {
            self.fall_behind();
            return;
        }
        if job.delivery > self.highest {
            self.admit(job);
        }
    }

    /// The feed has lost something: the store has to be asked.
    pub fn fall_behind(&mut self) {
        self.behind = true;
        self.missed = true;
    }

    /// After which delivery to read the next page, if one is to be read now. The
    /// answer has to be given to [`Lane::take_page`] or [`Lane::page_failed`].
    pub fn next_page(&mut self) -> Option<DeliveryId> {
        if !self.behind || self.reading || self.held + PAGE > CAPACITY {
            return None;
        }
        self.reading = true;
        self.missed = false;
        Some(self.highest)
    }

    /// Takes a page that was read with [`PAGE`] as its limit.
    pub fn take_page(&mut self, page: Vec<Pending>) {
        self.reading = false;
        let complete = page.len() < PAGE && !self.missed;
        self.behind = !complete;
        for pending in page {
            let job = Job {
                delivery: pending.delivery,
                event: pending.event,
                failed_attempts: pending.failed_attempts,
            };
            if job.delivery <= self.highest {
                continue;
            }
            match pending.due_at {
                Some(due_at) => self.admit_put_off(job, due_at),
                None => self.admit(job),
            }
        }
    }

    /// The page could not be read; it will be asked for again.
    pub fn page_failed(&mut self) {
        self.reading = false;
    }

    /// The next delivery to run, if any. It counts as held until it ends.
    pub fn start(&mut self) -> Option<Job> {
        self.ready.pop_front()
    }

    /// Gives back a delivery that was started but not run.
    pub fn give_back(&mut self, job: Job) {
        self.ready.push_front(job);
    }

    /// A started delivery has ended for good: its session goes on.
    pub fn end(&mut self, job: &Job) {
        self.held -= 1;
        let Some(session) = job.event.event.session_id.as_ref() else {
            return;
        };
        // Without an entry the delivery came in while order was off.
        if let Some(waiting) = self.sessions.get_mut(session) {
            match waiting.pop_front() {
                Some(next) => self.ready.push_back(next),
                None => {
                    self.sessions.remove(session);
                }
            }
        }
    }

    /// A started delivery is to run again, not before `due_at`; its session waits.
    pub fn put_off(&mut self, job: Job, due_at: UnixMicros) {
        self.put_off.insert((due_at, job.delivery), job);
    }

    /// Makes ready what is due at `now`.
    pub fn wake(&mut self, now: UnixMicros) {
        while let Some(entry) = self.put_off.first_entry() {
            if entry.key().0 > now {
                return;
            }
            self.ready.push_back(entry.remove());
        }
    }

    /// When the next delivery is due that waits for a moment.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixMicros> {
        self.put_off.first_key_value().map(|(&(due, _), _)| due)
    }

    /// Whether anything could start.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How many deliveries are in memory, running ones included.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    fn admit(&mut self, job: Job) {
        self.highest = job.delivery;
        self.held += 1;
        if let Some(job) = self.behind_session(job) {
            self.ready.push_back(job);
        }
    }

    fn admit_put_off(&mut self, job: Job, due_at: UnixMicros) {
        self.highest = job.delivery;
        self.held += 1;
        if let Some(job) = self.behind_session(job) {
            self.put_off(job, due_at);
        }
    }

    /// Queues the job behind its session, or gives it back if the session is free.
    fn behind_session(&mut self, job: Job) -> Option<Job> {
        if !self.ordered {
            return Some(job);
        }
        let Some(session) = &job.event.event.session_id else {
            return Some(job);
        };
        match self.sessions.get_mut(session) {
            Some(waiting) => {
                waiting.push_back(job);
                None
            }
            None => {
                self.sessions.insert(session.clone(), VecDeque::new());
                Some(job)
            }
        }
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
