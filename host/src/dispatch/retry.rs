//! What follows from an attempt's verdict: done, again, or dead. Pure decisions;
//! time and randomness come in as arguments.

use std::time::Duration;

use crate::journal::Next;
use crate::sandbox::{Failure, Verdict};
use crate::types::UnixMicros;

/// When to try again, and when to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The upper bound of the first delay.
    pub base: Duration,
    /// The upper bound that no delay exceeds.
    pub max: Duration,
    /// Attempts in all.
    pub attempts: u32,
    /// Attempts that may trap or hit a limit: a handler that does will probably
    /// do so again.
    pub traps: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            max: Duration::from_secs(300),
            attempts: 10,
            traps: 3,
        }
    }
}

/// The attempts of a delivery that have ended, none of them well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How many.
    pub all: u32,
    /// How many of them trapped or hit a limit.
    pub traps: u32,
}

impl Attempts {
    /// These and one more, which ended with `verdict`.
    #[must_use]
    pub fn and(self, verdict: &Verdict) -> Self {
        Self {
            all: self.all.saturating_add(1),
            traps: self.traps.saturating_add(u32::from(is_trap(verdict))),
        }
    }
}

/// Whether the handler trapped or hit a limit.
fn is_trap(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Failed(failure) => match failure {
            Failure::Other(_) => false,
            Failure::Memory(_)
            | Failure::Cpu(_)
            | Failure::Wall(_)
            | Failure::StackOverflow
            | Failure::Limit(_)
            | Failure::Trap(_)
            | Failure::Exit(_) => true,
        },
        Verdict::Done
        | Verdict::Retry { .. }
        | Verdict::Reject { .. }
        | Verdict::NoRoom
        | Verdict::Conflict { .. } => false,
    }
}

impl RetryPolicy {
    /// What happens to a delivery whose latest attempt ended with `verdict`;
    /// `attempts` counts that one already. `random` is evenly distributed in
    /// 0..1.
    ///
    /// [`Verdict::NoRoom`] is no attempt and must not come here; it is treated
    /// as a retry.
    #[must_use]
    pub fn decide(
        &self,
        verdict: &Verdict,
        attempts: Attempts,
        now: UnixMicros,
        random: f64,
    ) -> Next {
        let (reason, delay) = match verdict {
            Verdict::Done => return Next::Done,
            Verdict::Reject { reason } => {
                return Next::Dead {
                    reason: format!("rejected: {reason}"),
                };
            }
            Verdict::Retry { reason, delay } => (reason.clone(), *delay),
            Verdict::Failed(failure) => (failure.to_string(), None),
            Verdict::NoRoom => ("no room for an attempt".into(), None),
            Verdict::Conflict { at } => (format!("another attempt has changed {at}"), None),
        };
        if is_trap(verdict) && attempts.traps >= self.traps {
            let (trap, limit) = (attempts.traps, self.traps);
            return Next::Dead {
                reason: format!("{reason} (trap or limit {trap} of {limit}, the last)"),
            };
        }
        if attempts.all >= self.attempts {
            let (attempt, limit) = (attempts.all, self.attempts);
            return Next::Dead {
                reason: format!("{reason} (attempt {attempt} of {limit}, the last)"),
            };
        }
        let delay = delay.map_or_else(
            || self.backoff(attempts.all, random),
            |wanted| wanted.min(self.max),
        );
        Next::Retry {
            due_at: now.after(delay),
            reason,
        }
    }

    /// Exponential backoff with full jitter: anywhere between nothing and the
    /// bound, which doubles with each attempt. Spreads what failed together.
    fn backoff(&self, attempt: u32, random: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let bound = self.base.saturating_mul(1 << doublings).min(self.max);
        bound.mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixMicros = UnixMicros(1_000_000);

    fn attempts(all: u32, traps: u32) -> Attempts {
        Attempts { all, traps }
    }

    fn retry(delay: Option<Duration>) -> Verdict {
        Verdict::Retry {
            reason: "not yet".into(),
            delay,
        }
    }

    #[test]
    fn a_rejected_delivery_is_dead_at_once() {
        let verdict = Verdict::Reject {
            reason: "no such order".into(),
        };
        let next = RetryPolicy::default().decide(&verdict, attempts(1, 0), NOW, 0.5);
        assert_eq!(
            next,
            Next::Dead {
                reason: "rejected: no such order".into()
            }
        );
    }

    #[test]
    fn a_trap_is_given_up_earlier_than_a_retry_that_was_asked_for() {
        let policy = RetryPolicy::default();
        let trap = Verdict::Failed(Failure::Trap("unreachable".into()));
        assert!(matches!(
            policy.decide(&trap, attempts(2, 2), NOW, 0.5),
            Next::Retry { .. }
        ));
        assert!(matches!(
            policy.decide(&trap, attempts(3, 3), NOW, 0.5),
            Next::Dead { .. }
        ));
        assert!(matches!(
            policy.decide(&retry(None), attempts(9, 0), NOW, 0.5),
            Next::Retry { .. }
        ));
        assert!(matches!(
            policy.decide(&retry(None), attempts(10, 0), NOW, 0.5),
            Next::Dead { .. }
        ));
    }

    #[test]
    fn retries_that_were_asked_for_are_no_traps() {
        let wall = Verdict::Failed(Failure::Wall(Duration::from_secs(10)));
        let asked = (0..4).fold(Attempts::default(), |past, _| past.and(&retry(None)));
        let now = asked.and(&wall);
        assert_eq!(now, attempts(5, 1));
        let decide = |attempts| RetryPolicy::default().decide(&wall, attempts, NOW, 0.5);
        assert!(matches!(decide(now), Next::Retry { .. }));
        let Next::Dead { reason } = decide(now.and(&wall).and(&wall)) else {
            panic!("the third is the last");
        };
        assert!(reason.contains("trap or limit 3 of 3"), "{reason}");
    }

    #[test]
    fn a_trap_counts_among_the_attempts_in_all() {
        let trap = Verdict::Failed(Failure::Trap("unreachable".into()));
        let next = RetryPolicy::default().decide(&trap, attempts(10, 1), NOW, 0.5);
        let Next::Dead { reason } = next else {
            panic!("the tenth is the last");
        };
        assert!(reason.contains("attempt 10 of 10"), "{reason}");
    }

    #[test]
    fn a_delay_of_the_handlers_own_is_kept_up_to_the_maximum() {
        let policy = RetryPolicy::default();
        let due = |delay| match policy.decide(&retry(Some(delay)), attempts(1, 0), NOW, 0.5) {
            Next::Retry { due_at, .. } => due_at.until(NOW),
            other => panic!("{other:?}"),
        };
        assert_eq!(due(Duration::from_secs(7)), Duration::from_secs(7));
        assert_eq!(due(Duration::from_millis(u64::MAX)), policy.max);
    }

    proptest! {
        #[test]
        fn no_backoff_is_longer_than_its_bound(attempt in 1u32..1000, random in 0.0f64..1.0) {
            let policy = RetryPolicy { attempts: u32::MAX, ..RetryPolicy::default() };
            let delay = policy.backoff(attempt, random);
            prop_assert!(delay <= policy.max);
            if attempt < 9 {
                prop_assert!(delay <= policy.base * 2u32.pow(attempt - 1));
            }
        }
    }
}
