//! Whether an attempt that found no room in the pools had them to itself.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the attempts that use the pools.
#[derive(Debug, Default)]
pub(super) struct Pools {
    running: AtomicUsize,
    started: AtomicUsize,
}

/// What an attempt saw when it started.
pub(super) struct Entered {
    first: bool,
    started: usize,
}

impl Pools {
    /// An attempt starts.
    pub(super) fn enter(&self) -> Entered {
        Entered {
            first: self.running.fetch_add(1, Ordering::AcqRel) == 0,
            started: self.started.fetch_add(1, Ordering::AcqRel) + 1,
        }
    }

    /// The attempt has given back all that it had. Returns whether no other one
    /// ran in the meantime.
    pub(super) fn leave(&self, entered: &Entered) -> bool {
        self.running.fetch_sub(1, Ordering::AcqRel);
        entered.first && self.started.load(Ordering::Acquire) == entered.started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_attempt_without_any_other_beside_it_was_alone() {
        let pools = Pools::default();
        let one = pools.enter();
        assert!(pools.leave(&one));

        let one = pools.enter();
        let two = pools.enter();
        assert!(!pools.leave(&two), "the first was there");
        assert!(!pools.leave(&one), "the second came");
        let three = pools.enter();
        assert!(pools.leave(&three));
    }
}
