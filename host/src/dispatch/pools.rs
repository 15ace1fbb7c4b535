//! Whether an attempt that found no room in the pools had them to itself.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the attempts that use the pools.
#[derive(Debug, Default)]
pub(super) struct Pools {
    running: AtomicUsize,
    started: AtomicUsize,
}

/// An attempt that uses the pools, until it is dropped: one that is ended early
/// doesn't stay counted.
pub(super) struct Entered<'a> {
    of: &'a Pools,
    first: bool,
    started: usize,
}

impl Pools {
    /// An attempt starts.
    pub(super) fn enter(&self) -> Entered<'_> {
        Entered {
            of: self,
            first: self.running.fetch_add(1, Ordering::AcqRel) == 0,
            started: self.started.fetch_add(1, Ordering::AcqRel) + 1,
        }
    }
}

impl Entered<'_> {
    /// The attempt has given back all that it had. Returns whether no other one
    /// ran in the meantime.
    pub(super) fn leave(self) -> bool {
        self.first && self.of.started.load(Ordering::Acquire) == self.started
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.of.running.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_attempt_without_any_other_beside_it_was_alone() {
        let pools = Pools::default();
        let one = pools.enter();
        assert!(one.leave());

        let one = pools.enter();
        let two = pools.enter();
        assert!(!two.leave(), "the first was there");
        assert!(!one.leave(), "the second came");
        let three = pools.enter();
        assert!(three.leave());
        drop(pools.enter());
        assert!(pools.enter().leave(), "who was ended early is gone as well");
    }
}
