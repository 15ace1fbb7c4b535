//! What the sender counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::journal::OutboxNext;

/// Totals since the start.
#[derive(Debug, Default)]
pub struct Stats {
    sent: AtomicU64,
    failed_attempts: AtomicU64,
    dead: AtomicU64,
}

/// The totals at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Requests that were answered well.
    pub sent: u64,
    /// Attempts that failed, the last ones of dead requests included.
    pub failed_attempts: u64,
    /// Requests given up.
    pub dead: u64,
}

impl Stats {
    /// Counts a request that is given up without an attempt.
    pub(super) fn count_unattempted(&self) {
        self.dead.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an attempt.
    pub(super) fn count(&self, next: &OutboxNext) {
        let add = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match next {
            OutboxNext::Sent => add(&self.sent),
            OutboxNext::Retry { .. } => add(&self.failed_attempts),
            OutboxNext::Dead { .. } => {
                add(&self.failed_attempts);
                add(&self.dead);
            }
        }
    }

    /// The totals now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            sent: get(&self.sent),
            failed_attempts: get(&self.failed_attempts),
            dead: get(&self.dead),
        }
    }
}
