//! Deliveries of one plugin that are in memory: those of its feed, or those that
//! an operator asked for. Pure: no clock, no store.
//!
//! A delivery comes in from the feed ([`Lane::offer`]) or from a page of the
//! store ([`Lane::take_page`]), waits until its session is free and it is due,
//! is [started](Lane::start), and [ends](Lane::end) or is
//! [put off](Lane::put_off).
//!
//! Memory is [bounded](Bounds). A lane that is full falls *behind*: it ignores the
//! feed and later catches up from the store, where everything is. So that no
//! session fills it, what waits in one has only a share of the lane: the rest is
//! skipped, the lane goes on beyond it, and it is read again when the session
//! has run what it has ([`sessions`], [`reading`]).

mod bounds;
mod reading;
mod sessions;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Instant;

pub use bounds::{Bounds, CAPACITY, MAX_BYTES, PAGE};

pub(super) use self::bounds::Load;
use self::reading::Reading;
use self::sessions::{Again, Placed, Sessions};
use super::job::Job;
use crate::types::DeliveryId;

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
    /// What waits behind the first delivery of each session.
    sessions: Sessions,
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
    /// The store has deliveries above `highest` that were never seen here.
    behind: bool,
    /// The page that is being read.
    reading: Option<Reading>,
    /// That page can't be used: it is from before the lane was emptied, say.
    stale: bool,
    /// What has ended while a page is being read again.
    ended: HashSet<DeliveryId>,
    /// The latest page was read again.
    read_again: bool,
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
            sessions: Sessions::default(),
            running: HashSet::new(),
            carried: HashSet::new(),
            suspects: HashSet::new(),
            suspect_ended: false,
            held: HashSet::new(),
            bytes: 0,
            highest: DeliveryId(0),
            behind: true,
            reading: None,
            stale: false,
            ended: HashSet::new(),
            read_again: false,
            missed: false,
        }
    }

    /// Changes whether sessions are kept in order, for what comes in from now on.
    pub fn set_ordered(&mut self, ordered: bool) {
        self.ordered = ordered;
    }

    /// Takes a freshly committed delivery, or leaves it to the store.
    pub fn offer(&mut self, job: Job) {
        if self.behind || !self.has_room_for(&job) {
            self.fall_behind();
            return;
        }
        if job.delivery > self.highest {
            self.admit(job, None);
        }
    }

    /// Whether there is room for an offer. Dry sessions need room for a page.
    fn has_room_for(&self, job: &Job) -> bool {
        let dry = self.sessions.dry() > 0;
        let kept = if dry {
            self.bounds.page_load()
        } else {
            Load::default()
        };
        !self.bounds.exceeded(self.used(), kept.and(job.load()))
    }

    /// The feed has lost something: the store has to be asked.
    pub fn fall_behind(&mut self) {
        self.behind = true;
        self.missed = true;
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
        self.ended_meanwhile(job.delivery);
        let session = job.owned_session();
        let next = session.and_then(|session| self.sessions.next(session));
        self.ready.extend(next);
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
        for job in self.sessions.take_waiting() {
            self.forget(&job);
        }
        let put_off = std::mem::take(&mut self.put_off).into_values();
        for job in std::mem::take(&mut self.ready).into_iter().chain(put_off) {
            self.forget(&job);
            if let Some(session) = job.owned_session() {
                self.sessions.remove(session);
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

    /// Makes ready what is due at `now`.
    pub fn wake(&mut self, now: Instant) {
        while let Some(entry) = self.put_off.first_entry() {
            if entry.key().0 > now {
                return;
            }
            self.ready.push_back(entry.remove());
        }
    }

    /// Makes ready what waits since it trapped on a version that doesn't run any
    /// more.
    pub fn hasten(&mut self) {
        let put_off = std::mem::take(&mut self.put_off);
        let mut hastened = Vec::new();
        for (place, job) in put_off {
            if job.trap.is_some() {
                hastened.push(job);
            } else {
                self.put_off.insert(place, job);
            }
        }
        hastened.sort_by_key(|job| job.delivery);
        self.ready.extend(hastened);
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

    /// Takes in a delivery that has never been seen, to run when it is due and its
    /// session is free.
    fn admit(&mut self, job: Job, due: Option<Instant>) {
        self.highest = job.delivery;
        let (delivery, load) = (job.delivery, job.load());
        let name = job.event.event.session_id.clone();
        let placed = match name.filter(|_| self.ordered) {
            Some(name) => self.sessions.place(&name, job, self.share()),
            None => Placed::First(job),
        };
        self.keep(delivery, load, placed, due);
    }

    /// Takes in a delivery that is read again, if its session has skipped it.
    fn admit_again(&mut self, job: Job, due: Option<Instant>, again: &mut Again) {
        let Some(name) = job.event.event.session_id.clone() else {
            return;
        };
        let (delivery, load) = (job.delivery, job.load());
        let placed = self.sessions.place_again(&name, job, self.share(), again);
        self.keep(delivery, load, placed, due);
    }

    fn share(&self) -> Load {
        self.bounds.share(self.used())
    }

    fn keep(&mut self, delivery: DeliveryId, load: Load, placed: Placed, due: Option<Instant>) {
        let first = match placed {
            Placed::First(job) => Some(job),
            Placed::Behind => None,
            Placed::Skipped => return,
        };
        self.held.insert(delivery);
        self.bytes += load.bytes;
        match (first, due) {
            (Some(job), Some(due)) => {
                self.put_off.insert((due, delivery), job);
            }
            (Some(job), None) => self.ready.push_back(job),
            (None, _) => {}
        }
    }

    fn forget(&mut self, job: &Job) {
        self.held.remove(&job.delivery);
        self.bytes -= job.bytes();
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod share_tests;
