//! What one attempt sees of its plugin's entries: the store's, under its own
//! writes. Pure: [`super::entries`] asks the store and tells this what it said.
//!
//! It records what the commit has to check: the version that was found at each
//! key that was read, misses too, and the keys of each part of a bucket that was
//! listed. An entry newer than the attempt's snapshot ends the attempt, since the
//! commit would refuse it anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;

use super::kv::KvProblem;
use super::limits::EffectLimits;
use super::stop::{Refusal, Stop, Trouble};
use crate::types::effects::{
    KvEffects, KvEntry, KvKey, KvPage, KvRange, KvSnapshot, KvVersion, KvWrite,
};

/// Bytes of values that were read and are kept for the next read. Past that the
/// store is asked again: a handler may read more than the host wants to hold.
const MAX_KEPT: usize = 1 << 20;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Its value, or that there is none.
    Known(Option<Bytes>),
    /// The store has to be asked.
    Ask,
}

/// A page of a listing, as the handler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// In ascending order of their bytes.
    pub(super) keys: Vec<String>,
    /// The key to go on after; none if these were the last.
    pub(super) cursor: Option<String>,
}

/// One attempt's entries.
#[derive(Debug)]
pub(super) struct Overlay {
    limits: EffectLimits,
    snapshot: KvSnapshot,
    buckets: BTreeMap<String, BTreeMap<String, Slot>>,
    /// By bucket and the key that they start after.
    ranges: BTreeMap<(String, Option<String>), Range>,
    /// Keys in `buckets`, and keys and pages in `ranges`.
    keys: usize,
    /// Bytes of values in `buckets` that were read.
    kept: usize,
    /// Keys that are written.
    written: usize,
    writes: Sizes,
}

/// What is known of one key.
#[derive(Debug, Default)]
struct Slot {
    /// What a read found in the store; the inner `None` is a miss.
    read: Option<Option<KvVersion>>,
    /// The value that it found, if it is kept.
    value: Option<Bytes>,
    /// Bytes of the store's key and value, where they are known.
    stored: Option<u64>,
    /// Whether the attempt writes it, or is about to.
    claimed: bool,
    /// What the attempt wrote; the inner `None` deletes.
    own: Option<Option<Bytes>>,
}

/// A part of a bucket that was listed.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    through: Option<String>,
    keys: Vec<String>,
}

/// Bytes of keys and values that one write or all of them make.
#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    /// That go into the commit.
    written: usize,
    /// That the store has more.
    added: u64,
    /// That the store has less, where it is known.
    freed: u64,
}

impl Overlay {
    pub(super) fn new(limits: EffectLimits, snapshot: KvSnapshot) -> Self {
        Self {
            limits,
            snapshot,
            buckets: BTreeMap::new(),
            ranges: BTreeMap::new(),
            keys: 0,
            kept: 0,
            written: 0,
            writes: Sizes::default(),
        }
    }

    /// What is known of a key: the attempt's own write, else what it has read.
    pub(super) fn look(&self, bucket: &str, key: &str) -> Look {
        let Some(slot) = self.slot(bucket, key) else {
            return Look::Ask;
        };
        match (&slot.own, slot.read, &slot.value) {
            (Some(own), _, _) => Look::Known(own.clone()),
            (None, Some(None), _) => Look::Known(None),
            (None, Some(Some(_)), Some(value)) => Look::Known(Some(value.clone())),
            (None, _, _) => Look::Ask,
        }
    }

    /// Records what a read found in the store.
    pub(super) fn found(
        &mut self,
        bucket: &str,
        key: &str,
        entry: Option<KvEntry>,
    ) -> Result<Option<Bytes>, Stop> {
        let version = entry.as_ref().map(|entry| entry.version);
        let newer = version.is_some_and(|version| version > self.snapshot.version);
        let kept = self.kept;
        let slot = self.slot_mut(bucket, key)?;
        if newer || slot.read.is_some_and(|before| before != version) {
            return Err(conflict(bucket, key));
        }
        slot.read = Some(version);
        slot.stored = Some(
            entry
                .as_ref()
                .map_or(0, |entry| size(bucket, key, &entry.value)),
        );
        let value = entry.map(|entry| entry.value);
        if let Some(value) = &value
            && slot.value.is_none()
            && kept + value.len() <= MAX_KEPT
        {
            slot.value = Some(value.clone());
            self.kept += value.len();
        }
        Ok(value)
    }

    /// Notes that the attempt is about to write a key, and says whether that is
    /// news.
    pub(super) fn claim(&mut self, bucket: &str, key: &str) -> Result<bool, Stop> {
        let slot = self.slot_mut(bucket, key)?;
        Ok(!std::mem::replace(&mut slot.claimed, true))
    }

    /// Whether a write needs to know what the store has at its key: only where
    /// this attempt could bring the plugin to its limit.
    pub(super) fn needs_size(&self, bucket: &str, key: &str) -> bool {
        self.is_nearly_full()
            && self
                .slot(bucket, key)
                .is_none_or(|slot| slot.stored.is_none())
    }

    /// What the store has at a key, for the account alone: it is no read.
    pub(super) fn sized(
        &mut self,
        bucket: &str,
        key: &str,
        entry: Option<&KvEntry>,
    ) -> Result<(), Stop> {
        let slot = self.slot_mut(bucket, key)?;
        slot.stored = Some(entry.map_or(0, |entry| size(bucket, key, &entry.value)));
        Ok(())
    }

    /// Records a write; `None` deletes.
    pub(super) fn write(
        &mut self,
        bucket: &str,
        key: &str,
        value: Option<Bytes>,
    ) -> Result<(), Trouble> {
        let limits = self.limits;
        if let Some(value) = &value
            && value.len() > limits.kv_value
        {
            let (limit, asked) = (limits.kv_value, value.len());
            return Err(Refusal::Value { limit, asked }.into());
        }
        let (before, nearly_full) = (self.writes, self.is_nearly_full());
        let (used, written) = (self.snapshot.used, self.written);
        let slot = self.slot_mut(bucket, key)?;
        let written = written + usize::from(slot.own.is_none());
        if written > limits.kv_written {
            let (limit, asked) = (limits.kv_written, written);
            return Err(Stop::Written { limit, asked }.into());
        }
        let after =
            before
                .without(slot.sizes(bucket, key))
                .with(sizes(bucket, key, &value, slot.stored));
        let total = used.saturating_add(after.added).saturating_sub(after.freed);
        if after.written > limits.kv_writes {
            let (limit, asked) = (limits.kv_writes, after.written);
            return Err(Refusal::Writes { limit, asked }.into());
        }
        // Below that the limit of an attempt's writes keeps it from the plugin's.
        if value.is_some() && nearly_full && total > limits.kv_total {
            let (limit, asked) = (limits.kv_total, total);
            return Err(Refusal::Total { limit, asked }.into());
        }
        slot.own = Some(value);
        self.writes = after;
        self.written = written;
        Ok(())
    }

    /// Records a page of the store's listing after the key `after`, and merges the
    /// attempt's own writes into it.
    pub(super) fn page(
        &mut self,
        bucket: &str,
        after: Option<String>,
        page: KvPage,
    ) -> Result<Listing, Stop> {
        let newest = self.snapshot.version;
        if let Some((key, _)) = page.keys.iter().find(|(_, version)| *version > newest) {
            return Err(conflict(bucket, key));
        }
        let keys: Vec<String> = page.keys.into_iter().map(|(key, _)| key).collect();
        let through = keys.last().filter(|_| page.more).cloned();
        let merged = self.merged(bucket, after.as_deref(), through.as_deref(), &keys);
        let cursor = through.clone();
        self.listed(bucket, after, Range { through, keys })?;
        Ok(Listing {
            keys: merged,
            cursor,
        })
    }

    fn listed(&mut self, bucket: &str, after: Option<String>, range: Range) -> Result<(), Stop> {
        let at = (bucket.to_owned(), after);
        match self.ranges.get(&at) {
            Some(before) if *before == range => Ok(()),
            Some(before) => Err(conflict(bucket, difference(&before.keys, &range.keys))),
            None => {
                self.count_keys(1 + range.keys.len())?;
                self.ranges.insert(at, range);
                Ok(())
            }
        }
    }

    fn merged(
        &self,
        bucket: &str,
        after: Option<&str>,
        through: Option<&str>,
        keys: &[String],
    ) -> Vec<String> {
        let Some(slots) = self.buckets.get(bucket) else {
            return keys.to_vec();
        };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let to = through.map_or(Bound::Unbounded, Bound::Included);
        let mut merged: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        for (key, slot) in slots.range::<str, _>((from, to)) {
            match &slot.own {
                Some(Some(_)) => merged.insert(key),
                Some(None) => merged.remove(key.as_str()),
                None => continue,
            };
        }
        merged.into_iter().map(str::to_owned).collect()
    }

    /// What is to be checked and kept.
    pub(super) fn into_effects(self) -> KvEffects {
        let mut effects = KvEffects::default();
        for ((bucket, after), range) in self.ranges {
            effects.ranges.push(KvRange {
                bucket,
                after,
                through: range.through,
                keys: range.keys,
            });
        }
        for (bucket, slots) in self.buckets {
            for (key, slot) in slots {
                let bucket = bucket.clone();
                let at = KvKey { bucket, key };
                if let Some(version) = slot.read {
                    effects.reads.push((at.clone(), version));
                }
                if let Some(value) = slot.own {
                    effects.writes.push(KvWrite { at, value });
                }
            }
        }
        effects
    }

    fn is_nearly_full(&self) -> bool {
        self.snapshot
            .used
            .saturating_add(self.limits.kv_writes as u64)
            > self.limits.kv_total
    }

    fn slot(&self, bucket: &str, key: &str) -> Option<&Slot> {
        self.buckets.get(bucket)?.get(key)
    }

    fn slot_mut(&mut self, bucket: &str, key: &str) -> Result<&mut Slot, Stop> {
        if self.slot(bucket, key).is_none() {
            self.count_keys(1)?;
        }
        let slots = self.buckets.entry(bucket.to_owned()).or_default();
        Ok(slots.entry(key.to_owned()).or_default())
    }

    fn count_keys(&mut self, more: usize) -> Result<(), Stop> {
        let (limit, asked) = (self.limits.kv_keys, self.keys + more);
        if asked > limit {
            return Err(Stop::Keys { limit, asked });
        }
        self.keys = asked;
        Ok(())
    }
}

impl Slot {
    /// What its own write makes.
    fn sizes(&self, bucket: &str, key: &str) -> Sizes {
        match &self.own {
            Some(own) => sizes(bucket, key, own, self.stored),
            None => Sizes::default(),
        }
    }
}

impl Sizes {
    fn with(self, other: Self) -> Self {
        Self {
            written: self.written + other.written,
            added: self.added + other.added,
            freed: self.freed + other.freed,
        }
    }

    fn without(self, other: Self) -> Self {
        Self {
            written: self.written - other.written,
            added: self.added - other.added,
            freed: self.freed - other.freed,
        }
    }
}

fn sizes(bucket: &str, key: &str, value: &Option<Bytes>, stored: Option<u64>) -> Sizes {
    Sizes {
        written: key.len() + value.as_ref().map_or(0, Bytes::len),
        added: value.as_ref().map_or(0, |value| size(bucket, key, value)),
        freed: stored.unwrap_or(0),
    }
}

/// As the journal counts it.
fn size(bucket: &str, key: &str, value: &Bytes) -> u64 {
    (bucket.len() + key.len() + value.len()) as u64
}

/// The first key that is in only one of two listings.
fn difference<'a>(one: &'a [String], other: &'a [String]) -> &'a str {
    let pair = one.iter().zip(other).find(|(one, other)| one != other);
    match pair {
        Some((one, other)) => one.min(other),
        None => {
            let rest = one.get(other.len()).or_else(|| other.get(one.len()));
            rest.map_or("", String::as_str)
        }
    }
}

fn conflict(bucket: &str, key: &str) -> Stop {
    let (bucket, key) = (bucket.to_owned(), key.to_owned());
    let at = KvKey { bucket, key };
    Stop::Entries(KvProblem::Conflict { at })
}

#[cfg(test)]
mod tests;
