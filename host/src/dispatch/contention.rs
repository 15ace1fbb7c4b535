//! Entries of key-value over which attempts keep conflicting: their users run
//! one at a time. Pure.
//!
//! An attempt that conflicts is made again after a short pause, and no lock is
//! needed as long as that helps. When a delivery has conflicted over one key
//! [`PER_KEY`] times, it *claims* the key: its next attempt starts only when it
//! holds all that it claims, and as long as it holds or waits for a key, any other
//! attempt that meets the key is ended at once and claims it too. Who keeps
//! conflicting over ever new keys claims the bucket, and in the end everything,
//! so that each delivery has a bounded number of conflicts.
//!
//! Nobody holds one thing while waiting for another: all claims are taken at
//! once, so nothing can deadlock. Of those that wait for one thing, the one whose
//! first conflict is the earliest comes first, so nobody starves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::types::backoff::full_jitter;
use crate::types::effects::KvKey;

/// Conflicts of a delivery over one key, until it claims that.
pub const PER_KEY: u32 = 3;

/// Conflicts of a delivery in one bucket, until it claims that.
const PER_BUCKET: u32 = 9;

/// Conflicts of a delivery, until it claims all that the plugin has.
pub const IN_ALL: u32 = 27;

/// The upper bound of the pause after the first conflict; it doubles.
const BASE: Duration = Duration::from_millis(5);

/// The upper bound that no pause exceeds.
const MAX: Duration = Duration::from_millis(200);

/// What only one delivery of a plugin uses at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// An entry.
    Key(KvKey),
    /// A bucket.
    Bucket(String),
    /// All the plugin's buckets.
    All,
}

/// Whose conflict came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Age(u64);

/// A delivery's conflicts.
#[derive(Clone, Debug)]
pub struct Contest {
    /// Its place among those that wait.
    pub age: Age,
    /// What its next attempt has to hold.
    pub claims: BTreeSet<Claim>,
    tallies: BTreeMap<KvKey, u32>,
    conflicts: u32,
}

impl Contest {
    /// A delivery that has its first conflict.
    #[must_use]
    pub fn new(age: Age) -> Self {
        Self {
            age,
            claims: BTreeSet::new(),
            tallies: BTreeMap::new(),
            conflicts: 0,
        }
    }

    /// Another attempt has changed this entry meanwhile.
    pub fn changed(&mut self, at: KvKey) {
        self.conflicts = self.conflicts.saturating_add(1);
        if self.conflicts >= IN_ALL {
            self.claims.insert(Claim::All);
            return;
        }
        let tally = self.tallies.entry(at.clone()).or_default();
        *tally += 1;
        let of_key = *tally;
        let in_bucket = self
            .tallies
            .iter()
            .filter(|(key, _)| key.bucket == at.bucket);
        let in_bucket: u32 = in_bucket.map(|(_, tally)| tally).sum();
        if in_bucket >= PER_BUCKET {
            self.claims.insert(Claim::Bucket(at.bucket));
        } else if of_key >= PER_KEY {
            self.claims.insert(Claim::Key(at));
        }
    }

    /// How long to pause before the next attempt. `random` is evenly distributed
    /// in 0..1.
    #[must_use]
    pub fn pause(&self, random: f64) -> Duration {
        full_jitter(BASE, MAX, self.conflicts, random)
    }
}

/// Who holds and who waits for a claim. It is there as long as anyone does.
#[derive(Debug, Default)]
struct Line {
    holder: Option<Age>,
    waiting: BTreeSet<Age>,
}

/// What deliveries of one plugin claim.
#[derive(Debug, Default)]
pub struct Contention {
    lines: HashMap<Claim, Line>,
    claims: HashMap<Age, BTreeSet<Claim>>,
    ages: u64,
}

impl Contention {
    /// The place of a delivery that has its first conflict now.
    pub fn next_age(&mut self) -> Age {
        self.ages += 1;
        Age(self.ages)
    }

    /// Takes all that a delivery claims, or waits for all of it. Returns whether
    /// it has it; if not, a later [`Contention::leave`] says when it has.
    pub fn enter(&mut self, age: Age, claims: BTreeSet<Claim>) -> bool {
        for claim in &claims {
            let line = self.lines.entry(claim.clone()).or_default();
            line.waiting.insert(age);
        }
        self.claims.insert(age, claims);
        self.take(age)
    }

    /// A delivery holds and waits for nothing any more. Returns who has all of its
    /// claims now.
    pub fn leave(&mut self, age: Age) -> Vec<Age> {
        let mut next = BTreeSet::new();
        for claim in self.claims.remove(&age).unwrap_or_default() {
            let Some(line) = self.lines.get_mut(&claim) else {
                continue;
            };
            line.waiting.remove(&age);
            if line.holder == Some(age) {
                line.holder = None;
            }
            if line.holder.is_some() {
                continue;
            }
            match line.waiting.first() {
                Some(&first) => {
                    next.insert(first);
                }
                None => {
                    self.lines.remove(&claim);
                }
            }
        }
        next.into_iter().filter(|&age| self.take(age)).collect()
    }

    /// What keeps an attempt from this entry, if anything does.
    #[must_use]
    pub fn refuses(&self, age: Option<Age>, at: &KvKey) -> Option<Claim> {
        if self.lines.is_empty() {
            return None;
        }
        let claims = [
            Claim::All,
            Claim::Bucket(at.bucket.clone()),
            Claim::Key(at.clone()),
        ];
        claims.into_iter().find(|claim| {
            let line = self.lines.get(claim);
            line.is_some_and(|line| line.holder.is_none() || line.holder != age)
        })
    }

    /// Whether nobody claims anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.claims.is_empty()
    }

    /// All or nothing: each claim is free and nobody older waits for it.
    fn take(&mut self, age: Age) -> bool {
        let Some(claims) = self.claims.get(&age) else {
            return false;
        };
        let free = claims.iter().all(|claim| {
            let line = self.lines.get(claim);
            line.is_some_and(|line| line.holder.is_none() && line.waiting.first() == Some(&age))
        });
        if free {
            for claim in claims {
                if let Some(line) = self.lines.get_mut(claim) {
                    line.waiting.remove(&age);
                    line.holder = Some(age);
                }
            }
        }
        free
    }
}

/// A plugin's claims, as the scheduler and running attempts share them.
#[derive(Clone, Debug, Default)]
pub struct SharedContention(Arc<Mutex<Contention>>);

impl SharedContention {
    /// For a moment.
    pub fn lock(&self) -> MutexGuard<'_, Contention> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "contention_tests.rs"]
mod tests;
