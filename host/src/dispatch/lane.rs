//! Deliveries of one plugin that are in memory: those of its feed, or those that
//! an operator asked for. Pure: no clock, no store.
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
use std::time::{Duration, Instant};

use super::job::Job;
use super::now::Now;
use super::retry::Attempts;
use crate::journal::{PAGE_BYTES, Pending, PendingPage};
use crate::types::DeliveryId;

/// How many deliveries a lane holds at most.
pub const CAPACITY: usize = 4096;

/// How many bytes of bodies a lane holds at most, but for a single delivery,
/// which always has room. Decoded, a body takes up to three times its bytes.
pub const MAX_BYTES: usize = 32 << 20;

/// How many deliveries are read from the store at once.
pub const PAGE: usize = 512;

/// How much a lane holds at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Deliveries.
    pub deliveries: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
    /// Deliveries in one page of the store.
    pub page: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            deliveries: CAPACITY,
            bytes: MAX_BYTES,
            page: PAGE,
        }
    }
}

/// The deliveries of one plugin that are in memory.
#[derive(Debug)]
pub struct Lane {
    /// How much it holds at most.
    bounds: Bounds,
    /// Whether sessions are kept in order.
    ordered: bool,
    /// What may start at once, in order.
    ready: VecDeque<Job>,
    /// What waits for a moment, by that moment.
    put_off: BTreeMap<(Instant, DeliveryId), Job>,
    /// For each session with a delivery that is ready, running or put off: what
    /// waits behind it.
    sessions: HashMap<String, VecDeque<Job>>,
    /// What has started and not ended.
    running: HashSet<DeliveryId>,
    /// What was here when the store began to be read from the start: it still
    /// lists it.
    carried: HashSet<DeliveryId>,
    /// What was running when the latest [`Lane::rewind`] was asked for.
    suspects: HashSet<DeliveryId>,
    /// One of them has ended since.
    suspect_ended: bool,
    /// All deliveries that are here, those being run included.
    held: HashSet<DeliveryId>,
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
    pub fn new(ordered: bool, bounds: Bounds) -> Self {
        Self {
            bounds,
            ordered,
            ready: VecDeque::new(),
            put_off: BTreeMap::new(),
            sessions: HashMap::new(),
            running: HashSet::new(),
            carried: HashSet::new(),
            suspects: HashSet::new(),
            suspect_ended: false,
            held: HashSet::new(),
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
        let full = self.would_exceed(1, job.bytes());
        if self.behind || full {
            self.fall_behind();
            return;
        }
        if job.delivery > self.highest {
            self.admit(job, None);
        }
    }

    /// Whether so much more is too much; the first always has room.
    fn would_exceed(&self, deliveries: usize, bytes: usize) -> bool {
        !self.held.is_empty()
            && (self.held.len() + deliveries > self.bounds.deliveries
                || self.bytes.saturating_add(bytes) > self.bounds.bytes)
    }

    /// The feed has lost something: the store has to be asked.
    pub fn fall_behind(&mut self) {
        self.behind = true;
        self.missed = true;
    }

    /// After which delivery to read the next page, if one is to be read now. The
    /// answer has to be given to [`Lane::take_page`] or [`Lane::page_failed`].
    pub fn next_page(&mut self) -> Option<DeliveryId> {
        let full = self.would_exceed(self.bounds.page, PAGE_BYTES);
        if !self.behind || self.reading || full {
            return None;
        }
        self.reading = true;
        self.missed = false;
        Some(self.highest)
    }

    /// How many deliveries to read at once.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.bounds.page
    }

    /// Takes a page that was read with [`Lane::page_size`] as its limit. Nothing
    /// in it waits for more than `longest`.
    pub fn take_page(&mut self, page: PendingPage, now: Now, longest: Duration) {
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
            let due = due_at.map(|due_at| now.due(due_at, longest));
            self.admit(Job::new(delivery, event, attempts), due);
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
        if let Some(session) = job.owned_session()
            && let Some(waiting) = self.sessions.get_mut(session)
        {
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
        if self.suspects.remove(&job.delivery) {
            self.suspect_ended = true;
        }
        self.read_suspects_again();
    }

    /// A started delivery is to run again, not before `due_at`; its session waits.
    pub fn put_off(&mut self, job: Job, due: Instant) {
        self.running.remove(&job.delivery);
        self.suspects.remove(&job.delivery);
        self.put_off.insert((due, job.delivery), job);
        self.read_suspects_again();
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
                self.held.remove(&job.delivery);
                self.bytes -= job.bytes();
            }
        }
        self.read_from_start();
    }

    /// The store may have deliveries below those that are here: it is read again
    /// from the start, without what is here.
    ///
    /// What runs at this moment may have ended already and been made pending
    /// again, without its end being known here. So the store is read once more
    /// when all that has ended.
    pub fn rewind(&mut self) {
        self.suspects.clone_from(&self.running);
        self.suspect_ended = false;
        self.read_from_start();
    }

    fn read_suspects_again(&mut self) {
        if self.suspects.is_empty() && std::mem::take(&mut self.suspect_ended) {
            self.read_from_start();
        }
    }

    fn read_from_start(&mut self) {
        self.carried.clone_from(&self.held);
        self.highest = DeliveryId(0);
        self.stale = self.reading;
        self.fall_behind();
    }

    /// Makes ready what is due at `now`.
    pub fn wake(&mut self, now: Instant) {
        while let Some(entry) = self.put_off.first_entry() {
            if entry.key().0 > now {
                return;
            }
            self.ready.push_back(entry.remove());
        }
    }

    /// When the next delivery is due that waits for a moment.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.put_off.first_key_value().map(|(&(due, _), _)| due)
    }

    /// Whether anything could start.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How many deliveries are in memory, running ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing is in memory, running deliveries included.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes a delivery in, to run when it is due and its session is free.
    fn admit(&mut self, job: Job, due: Option<Instant>) {
        self.highest = job.delivery;
        self.held.insert(job.delivery);
        self.bytes += job.bytes();
        let Some(job) = self.behind_session(job) else {
            return;
        };
        match due {
            Some(due) => {
                self.put_off.insert((due, job.delivery), job);
            }
            None => self.ready.push_back(job),
        }
    }

    fn forget(&mut self, job: &Job) {
        self.held.remove(&job.delivery);
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
