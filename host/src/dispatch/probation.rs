//! Whether a new version of a plugin is replaced by the one that it replaced.
//! Pure.
//!
//! A version that takes over from one of other content is on probation for its
//! first attempts. If enough of them trap or hit a limit, and none of the earlier
//! version's latest ones did, the new version fails. A handler that asks for
//! another attempt or rejects an event does what it was written to do: that says
//! nothing here.

/// When a new version is rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackPolicy {
    /// How many of its first attempts are watched.
    pub watch: u32,
    /// So many of these that trap or hit a limit roll it back; 0 turns it off.
    pub failures: u32,
}

impl Default for RollbackPolicy {
    fn default() -> Self {
        Self {
            watch: 20,
            failures: 3,
        }
    }
}

/// What is remembered of a version's attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// How many have ended.
    ended: u32,
    /// How many of these since the latest that trapped, if one did.
    since_trap: Option<u32>,
}

impl Record {
    /// An attempt that counts has ended.
    pub(super) fn ended(&mut self, trap: bool) {
        self.ended = self.ended.saturating_add(1);
        self.since_trap = match self.since_trap {
            _ if trap => Some(0),
            since => since.map(|count| count.saturating_add(1)),
        };
    }

    /// Whether none of the latest `watch` attempts trapped. That nobody has seen
    /// one yet is no blame.
    pub(super) fn is_clean(self, watch: u32) -> bool {
        self.since_trap.is_none_or(|count| count >= watch)
    }

    /// Whether it has come to an answer, and to nothing else.
    pub(super) fn has_worked(self) -> bool {
        self.ended > 0 && self.since_trap.is_none()
    }
}

/// The first attempts of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probation {
    policy: RollbackPolicy,
    ended: u32,
    traps: u32,
}

/// How it stands with a version on probation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody knows yet.
    Open,
    /// It stays.
    Passed,
    /// It goes.
    Failed,
}

impl Probation {
    pub(super) fn new(policy: RollbackPolicy) -> Self {
        Self {
            policy,
            ended: 0,
            traps: 0,
        }
    }

    /// How many attempts have ended, and how many of these trapped.
    pub(super) fn counts(self) -> (u32, u32) {
        (self.ended, self.traps)
    }

    /// An attempt that counts has ended.
    pub(super) fn ended(&mut self, trap: bool) -> Standing {
        self.ended = self.ended.saturating_add(1);
        self.traps = self.traps.saturating_add(u32::from(trap));
        self.standing()
    }

    /// It has passed as soon as it can't fail any more.
    pub(super) fn standing(self) -> Standing {
        let RollbackPolicy { watch, failures } = self.policy;
        let left = watch.saturating_sub(self.ended);
        if failures == 0 {
            Standing::Passed
        } else if self.traps >= failures {
            Standing::Failed
        } else if self.traps.saturating_add(left) < failures {
            Standing::Passed
        } else {
            Standing::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(attempts: &[bool]) -> Record {
        let mut record = Record::default();
        attempts.iter().for_each(|&trap| record.ended(trap));
        record
    }

    #[test]
    fn a_record_is_clean_when_its_latest_attempts_are() {
        assert!(record(&[]).is_clean(3));
        assert!(record(&[false]).is_clean(3));
        assert!(!record(&[true, false, false]).is_clean(3));
        assert!(record(&[true, false, false, false]).is_clean(3));
        assert!(!record(&[false, false, false, true]).is_clean(3));
    }

    #[test]
    fn who_has_not_answered_has_not_worked() {
        assert!(!record(&[]).has_worked());
        assert!(record(&[false]).has_worked());
        assert!(!record(&[true, false]).has_worked());
    }

    proptest! {
        /// It fails exactly if enough of the watched attempts trap, whatever
        /// their order, and is decided when the last of them has ended.
        #[test]
        fn it_fails_by_its_first_attempts_alone(
            watch in 1u32..30,
            failures in 0u32..30,
            attempts in prop::collection::vec(any::<bool>(), 30),
        ) {
            let failures = failures.min(watch);
            let mut probation = Probation::new(RollbackPolicy { watch, failures });
            let mut standing = probation.standing();
            let mut ended = 0;
            for trap in attempts.iter().take(watch as usize) {
                if standing == Standing::Open {
                    standing = probation.ended(*trap);
                    ended += 1;
                }
            }
            let traps = attempts.iter().take(watch as usize).filter(|trap| **trap).count();
            let fails = failures > 0 && traps >= failures as usize;
            let expected = if fails { Standing::Failed } else { Standing::Passed };
            prop_assert_eq!(standing, expected);
            prop_assert!(ended <= watch);
        }
    }
}
