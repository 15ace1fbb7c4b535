//! What the listener counts. Read by `/metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The upper ends of the answer time's buckets, in microseconds.
pub const BUCKETS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    5_000_000, 10_000_000,
];

/// Counters of one listener, since the start.
#[derive(Debug, Default)]
pub struct Stats {
    stored: AtomicU64,
    duplicates: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    buckets: [AtomicU64; BUCKETS.len()],
    micros: AtomicU64,
    answers: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Events stored.
    pub stored: u64,
    /// Events known already.
    pub duplicates: u64,
    /// Requests refused, by the error's code.
    pub refused: BTreeMap<&'static str, u64>,
    /// Answers that took no longer than the bucket's end, cumulative.
    pub buckets: [u64; BUCKETS.len()],
    /// All answers' time, in microseconds.
    pub micros: u64,
    /// All answers.
    pub answers: u64,
}

impl Stats {
    pub(super) fn stored(&self) {
        self.stored.fetch_add(1, Relaxed);
    }

    pub(super) fn duplicate(&self) {
        self.duplicates.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self, code: &'static str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(code).or_default() += 1;
    }

    pub(super) fn answered(&self, after: Duration) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Relaxed);
        self.answers.fetch_add(1, Relaxed);
        let bucket = BUCKETS.partition_point(|&end| end < micros);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut sum = 0;
        Snapshot {
            stored: self.stored.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            refused: self
                .refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            buckets: std::array::from_fn(|at| {
                sum += self.buckets[at].load(Relaxed);
                sum
            }),
            micros: self.micros.load(Relaxed),
            answers: self.answers.load(Relaxed),
        }
    }
}
