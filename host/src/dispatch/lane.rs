//! The deliveries of one plugin that are in memory. Pure: no clock, no store.
//!
//! A delivery comes in from the feed ([`Lane::offer`]) or from a page of the
//! store ([`Lane::take_page`]), waits until its session is free and it is due,
//! is [started](Lane::start), and [ends](Lane::end) or is
//! [put off](Lane::put_off).
//!
//! Memory is bounded by [`CAPACITY`] and [`MAX_BYTES`]. A lane that is full falls
//! *behind*: it ignores the feed and later catches up from the store, where
//! everything is.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::retry::Attempts;
use crate::journal::{PAGE_BYTES, Pending, PendingPage};
use crate::types::{DeliveryId, StoredEvent, UnixMicros};

/// How many deliveries a lane holds at most.
pub const CAPACITY: usize = 4096;

/// How many bytes of bodies a lane holds at most, but for a single delivery,
/// which always has room. Decoded, a body takes up to three times its bytes.
pub const MAX_BYTES: usize = 32 << 20;

/// How many deliveries are read from the store at once.
pub const PAGE: usize = 512;

/// A delivery in memory.
#[derive(Clone, Debug)]
pub struct Job {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The event.
    pub event: StoredEvent,
    /// The attempts that have failed.
    pub attempts: Attempts,
    /// How often there was no room to run it since its latest attempt.
    pub no_room: u32,
    /// Whether others of its session wait for it. Not so for what came in while
    /// order was off.
    owns_session: bool,
}

impl Job {
    /// A delivery as it comes in.
    #[must_use]
    pub fn new(delivery: DeliveryId, event: StoredEvent, attempts: Attempts) -> Self {
        Self {
            delivery,
            event,
            attempts,
            no_room: 0,
            owns_session: false,
        }
    }

    fn bytes(&self) -> usize {
        self.event.event.body.len()
    }

    fn owned_session(&self) -> Option<&str> {
        let session = self.event.event.session_id.as_deref();
        session.filter(|_| self.owns_session)
    }
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
    /// What has started and not ended.
    running: HashSet<DeliveryId>,
    /// What was running when the lane was emptied: the store still lists it, but
    /// it is here already.
    carried: HashSet<DeliveryId>,
    /// How many deliveries there are, those being run included.
    held: usize,
    /// The bytes of their bodies.
    bytes: usize,
    /// The highest delivery that was taken in.
    highest: DeliveryId,
    /// The store has deliveries above `highest` that aren't here.
    behind: bool,
    /// A page is being read.
    reading: bool,
    /// That page is from before the lane was emptied.
    stale: bool,
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
            running: HashSet::new(),
            carried: HashSet::new(),
            held: 0,
            bytes: 0,
            highest: DeliveryId(0),
            behind: true,
            reading: false,
            stale: false,
            missed: false,
        }
    }

    /// Changes whether sessions are kept in order, for what comes in from now on.
    pub fn set_ordered(&mut self, ordered: bool) {
        self.ordered = ordered;
    }

    /// Takes a freshly committed delivery, or leaves it to the store.
    pub fn offer(&mut self, job: Job) {
        let full = self.held > 0
            && (self.held >= CAPACITY || self.bytes.saturating_add(job.bytes()) > MAX_BYTES);
        if self.behind || full {
            self.fall_behind();
            return;
        }
        if job.delivery > self.highest {
            self.admit(job, None);
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
        let full = self.held > 0
            && (self.held + PAGE > CAPACITY || self.bytes.saturating_add(PAGE_BYTES) > MAX_BYTES);
        if !self.behind || self.reading || full {
            return None;
        }
        self.reading = true;
        self.missed = false;
        Some(self.highest)
    }

    /// Takes a page that was read with [`PAGE`] as its limit.
    pub fn take_page(&mut self, page: PendingPage) {
        self.reading = false;
        if std::mem::take(&mut self.stale) {
            return;
        }
        self.behind = page.more || self.missed;
        for Pending {
            delivery,
            event,
            failed_attempts,
            traps,
            due_at,
        } in page.deliveries
        {
            if delivery <= self.highest {
                continue;
            }
            if self.carried.remove(&delivery) {
                self.highest = delivery;
                continue;
            }
            let attempts = Attempts {
                all: failed_attempts,
                traps,
            };
            self.admit(Job::new(delivery, event, attempts), due_at);
        }
        if !self.behind {
            self.carried.clear();
        }
    }

    /// The page could not be read; it will be asked for again.
    pub fn page_failed(&mut self) {
        self.reading = false;
        self.stale = false;
    }

    /// The next delivery to run, if any. It counts as held until it ends.
    pub fn start(&mut self) -> Option<Job> {
        let job = self.ready.pop_front()?;
        self.running.insert(job.delivery);
        Some(job)
    }

    /// A started delivery has ended for good: its session goes on.
    pub fn end(&mut self, job: &Job) {
        self.running.remove(&job.delivery);
        self.forget(job);
        let Some(session) = job.owned_session() else {
            return;
        };
        if let Some(waiting) = self.sessions.get_mut(session) {
            match waiting.pop_front() {
                Some(mut next) => {
                    next.owns_session = true;
                    self.ready.push_back(next);
                }
                None => {
                    self.sessions.remove(session);
                }
            }
        }
    }

    /// A started delivery is to run again, not before `due_at`; its session waits.
    pub fn put_off(&mut self, job: Job, due_at: UnixMicros) {
        self.running.remove(&job.delivery);
        self.put_off.insert((due_at, job.delivery), job);
    }

    /// A started delivery is to run again, but the plugin is gone: the store
    /// keeps it until the plugin comes back.
    pub fn leave(&mut self, job: &Job) {
        self.carried.remove(&job.delivery);
        self.end(job);
    }

    /// Empties the lane of all that isn't running. It is behind then, from the
    /// very first delivery.
    pub fn clear(&mut self) {
        let put_off = std::mem::take(&mut self.put_off).into_values();
        for job in std::mem::take(&mut self.ready).into_iter().chain(put_off) {
            self.forget(&job);
            if let Some(session) = job.owned_session()
                && let Some(waiting) = self.sessions.remove(session)
            {
                waiting.iter().for_each(|job| self.forget(job));
            }
        }
        // The sessions that are left have a delivery that runs.
        for waiting in self.sessions.values_mut() {
            for job in waiting.drain(..) {
                self.held -= 1;
                self.bytes -= job.bytes();
            }
        }
        self.carried.clone_from(&self.running);
        self.highest = DeliveryId(0);
        self.stale = self.reading;
        self.fall_behind();
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

    /// Whether nothing is in memory, running deliveries included.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes a delivery in, to run at `due_at` or when its session is free.
    fn admit(&mut self, job: Job, due_at: Option<UnixMicros>) {
        self.highest = job.delivery;
        self.held += 1;
        self.bytes += job.bytes();
        let Some(job) = self.behind_session(job) else {
            return;
        };
        match due_at {
            Some(due_at) => {
                self.put_off.insert((due_at, job.delivery), job);
            }
            None => self.ready.push_back(job),
        }
    }

    fn forget(&mut self, job: &Job) {
        self.held -= 1;
        self.bytes -= job.bytes();
    }

    /// Queues the job behind its session, or gives it back if the session is free.
    fn behind_session(&mut self, mut job: Job) -> Option<Job> {
        let session = job.event.event.session_id.as_ref();
        let Some(session) = session.filter(|_| self.ordered) else {
            return Some(job);
        };
        match self.sessions.get_mut(session) {
            Some(waiting) => {
                waiting.push_back(job);
                None
            }
            None => {
                self.sessions.insert(session.clone(), VecDeque::new());
                job.owns_session = true;
                Some(job)
            }
        }
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
