//! The sessions of a lane: what waits behind the first delivery of each, and
//! what of it was left in the store.
//!
//! A session that has its share of the memory *skips* what comes in: of that only
//! the first and the last id are kept. A session that has run all that it had in
//! memory and has skipped some is *dry*: it waits for the store to be read again
//! from there. Dry sessions are read for in turn.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::bounds::Load;
use crate::dispatch::job::Job;
use crate::types::DeliveryId;

/// What became of a delivery that came in.
pub(super) enum Placed {
    /// Its session is free: it may run.
    First(Job),
    /// It waits for its session.
    Behind,
    /// It isn't kept in memory.
    Skipped,
}

/// What of a session is in the store only, given by ids. There may be ids of
/// other deliveries in between.
#[derive(Clone, Copy, Debug)]
struct Skipped {
    first: DeliveryId,
    last: DeliveryId,
}

#[derive(Debug, Default)]
struct Session {
    /// What waits behind its first delivery, which is ready, running or put off.
    waiting: VecDeque<Job>,
    /// The bytes of their bodies.
    bytes: usize,
    skipped: Option<Skipped>,
    /// Set if it is dry: its place in the line.
    dry: Option<u64>,
}

impl Session {
    fn has_room(&self, job: &Job, share: Load) -> bool {
        let waiting = Load {
            deliveries: self.waiting.len(),
            bytes: self.bytes,
        };
        waiting.and(job.load()).fits(share)
    }

    fn push(&mut self, job: Job) {
        self.bytes += job.bytes();
        self.waiting.push_back(job);
    }

    fn pop(&mut self) -> Option<Job> {
        let job = self.waiting.pop_front()?;
        self.bytes -= job.bytes();
        Some(job)
    }
}

/// Pages that are read again.
pub(super) struct Again {
    /// It begins after this delivery. Who has skipped some before that gets
    /// nothing of it.
    pub(super) after: DeliveryId,
    /// The sessions that had no room for all of theirs.
    full: HashSet<String>,
}

impl Again {
    pub(super) fn new(after: DeliveryId) -> Self {
        Self {
            after,
            full: HashSet::new(),
        }
    }
}

/// The sessions that are in order, each with something in memory or dry.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_name: HashMap<String, Session>,
    /// The dry ones; who comes first is read for first.
    dry: BTreeMap<u64, String>,
    /// How many places in that line have been given.
    places: u64,
}

impl Sessions {
    /// Puts a delivery that has never been seen behind its session.
    pub(super) fn place(&mut self, name: &str, mut job: Job, share: Load) -> Placed {
        let Some(session) = self.by_name.get_mut(name) else {
            self.by_name.insert(name.to_owned(), Session::default());
            job.owns_session = true;
            return Placed::First(job);
        };
        let id = job.delivery;
        let room = session.has_room(&job, share);
        match &mut session.skipped {
            Some(skipped) => skipped.last = id,
            None if room => {
                session.push(job);
                return Placed::Behind;
            }
            None => {
                session.skipped = Some(Skipped {
                    first: id,
                    last: id,
                });
            }
        }
        Placed::Skipped
    }

    /// Puts a delivery that is read again behind its session, if it is the next
    /// of those that this has skipped.
    pub(super) fn place_again(
        &mut self,
        name: &str,
        mut job: Job,
        share: Load,
        again: &mut Again,
    ) -> Placed {
        let Some(session) = self.by_name.get_mut(name) else {
            return Placed::Skipped;
        };
        let next = session.skipped.as_mut().filter(|skipped| {
            let covered = again.after < skipped.first && !again.full.contains(name);
            covered && skipped.first <= job.delivery && job.delivery <= skipped.last
        });
        let Some(skipped) = next else {
            return Placed::Skipped;
        };
        // All before it is here or has ended.
        skipped.first = job.delivery;
        if let Some(place) = session.dry.take() {
            self.dry.remove(&place);
            job.owns_session = true;
            return Placed::First(job);
        }
        if !session.has_room(&job, share) {
            again.full.insert(name.to_owned());
            return Placed::Skipped;
        }
        session.push(job);
        Placed::Behind
    }

    /// All up to `covered` has been read again: who had room for its part of that
    /// has skipped only what comes after.
    pub(super) fn read_again(&mut self, again: &Again, covered: DeliveryId) {
        let mut still_dry = Vec::new();
        self.by_name.retain(|name, session| {
            let Some(skipped) = session.skipped.as_mut() else {
                return true;
            };
            let had_room = again.after < skipped.first && !again.full.contains(name);
            if !had_room || covered < skipped.first {
                return true;
            }
            if covered < skipped.last {
                skipped.first = DeliveryId(covered.0 + 1);
                still_dry.extend(session.dry.map(|place| (place, name.clone())));
                return true;
            }
            session.skipped = None;
            let Some(place) = session.dry else {
                return true;
            };
            self.dry.remove(&place);
            false
        });
        // There was nothing for them yet: now it's the others' turn.
        still_dry.sort();
        for (place, name) in still_dry {
            self.dry.remove(&place);
            self.run_dry(&name);
        }
    }

    /// The first delivery of a session has ended: the next one, if it is here.
    pub(super) fn next(&mut self, name: &str) -> Option<Job> {
        let session = self.by_name.get_mut(name)?;
        let Some(mut next) = session.pop() else {
            if session.skipped.is_some() {
                self.run_dry(name);
            } else {
                self.by_name.remove(name);
            }
            return None;
        };
        next.owns_session = true;
        Some(next)
    }

    fn run_dry(&mut self, name: &str) {
        if let Some(session) = self.by_name.get_mut(name) {
            self.places += 1;
            session.dry = Some(self.places);
            self.dry.insert(self.places, name.to_owned());
        }
    }

    /// How many sessions are dry.
    pub(super) fn dry(&self) -> usize {
        self.dry.len()
    }

    /// The first delivery that a dry session waits for, if there is one: that of
    /// the session whose turn it is.
    pub(super) fn first_skipped(&self) -> Option<DeliveryId> {
        let (_, name) = self.dry.first_key_value()?;
        let session = self.by_name.get(name)?;
        session.skipped.map(|skipped| skipped.first)
    }

    /// What was skipped will be read as if it had never been seen.
    pub(super) fn forget_skipped(&mut self) {
        self.dry.clear();
        self.by_name.retain(|_, session| {
            session.skipped = None;
            session.dry.is_none()
        });
    }

    /// Takes out all that waits.
    pub(super) fn take_waiting(&mut self) -> Vec<Job> {
        let mut taken = Vec::new();
        for session in self.by_name.values_mut() {
            session.bytes = 0;
            taken.extend(session.waiting.drain(..));
        }
        taken
    }

    /// Nothing of the session is here any more.
    pub(super) fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }
}
