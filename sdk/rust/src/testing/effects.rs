//! What a native run keeps and does: entries, counters and requests, one set for each
//! thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::http::Script;
use crate::outbox::Request;

/// Keys and values of a bucket.
pub(super) type Entries = BTreeMap<String, Vec<u8>>;

/// What a plugin has, and what it may send.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effects {
    pub(super) buckets: BTreeMap<String, Entries>,
    pub(super) counters: BTreeMap<String, i64>,
    pub(super) requests: Vec<Request>,
    pub(super) allowed: Vec<String>,
    pub(super) answers: Vec<Script>,
    pub(super) calls: Vec<crate::http::Request>,
}

thread_local! {
    static EFFECTS: RefCell<Effects> = RefCell::default();
}

/// Puts the state before it back, also when the handler panics.
pub(super) struct Restore(Effects);

impl Restore {
    /// What the run has made of it.
    pub(super) fn end(mut self) -> Effects {
        EFFECTS.replace(std::mem::take(&mut self.0))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        EFFECTS.set(std::mem::take(&mut self.0));
    }
}

/// Sets the state until the guard ends.
pub(super) fn during(effects: Effects) -> Restore {
    Restore(EFFECTS.replace(effects))
}

pub(super) fn with<T>(work: impl FnOnce(&mut Effects) -> T) -> T {
    EFFECTS.with_borrow_mut(work)
}
