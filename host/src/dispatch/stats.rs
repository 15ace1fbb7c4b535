//! What dispatch counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::journal::Next;

/// Totals since the start.
#[derive(Debug, Default)]
pub struct Stats {
    handled: AtomicU64,
    failed_attempts: AtomicU64,
    dead: AtomicU64,
    conflicts: AtomicU64,
    pauses: AtomicU64,
    rollbacks: AtomicU64,
}

/// The totals at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Deliveries that a handler has handled.
    pub handled: u64,
    /// Attempts that failed, the last ones of dead deliveries included.
    pub failed_attempts: u64,
    /// Deliveries given up.
    pub dead: u64,
    /// Attempts that met a conflict and were made again, without counting.
    pub conflicts: u64,
    /// How often a plugin was paused because all its attempts failed.
    pub pauses: u64,
    /// How often a new version was replaced by the one before it.
    pub rollbacks: u64,
}

impl Stats {
    /// Counts a delivery that ended without an attempt.
    pub(super) fn count_unattempted(&self, next: &Next) {
        if matches!(next, Next::Dead { .. }) {
            self.dead.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an attempt.
    pub(super) fn count(&self, next: &Next) {
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        match next {
            Next::Done => {
                add(&self.handled);
            }
            Next::Retry { .. } => {
                add(&self.failed_attempts);
            }
            Next::Dead { .. } => {
                add(&self.failed_attempts);
                add(&self.dead);
            }
            Next::Ignored { .. } => {}
        }
    }

    /// Counts an attempt that is made again.
    pub(super) fn count_conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a pause of a plugin.
    pub(super) fn count_pause(&self) {
        self.pauses.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a rollback.
    pub(super) fn count_rollback(&self) {
        self.rollbacks.fetch_add(1, Ordering::Relaxed);
    }

    /// The totals now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            handled: get(&self.handled),
            failed_attempts: get(&self.failed_attempts),
            dead: get(&self.dead),
            conflicts: get(&self.conflicts),
            pauses: get(&self.pauses),
            rollbacks: get(&self.rollbacks),
        }
    }
}
