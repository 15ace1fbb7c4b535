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
    /// Attempts in all, for handlers that ask for a retry.
    pub attempts: u32,
    /// Attempts in all, where the handler trapped or hit a limit: it will
    /// probably do so again.
    pub failing_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            max: Duration::from_secs(300),
            attempts: 10,
            failing_attempts: 3,
        }
    }
}

impl RetryPolicy {
    /// What happens to a delivery whose attempt number `attempt` (from 1) ended
    /// with `verdict`. `random` is evenly distributed in 0..1.
    ///
    /// [`Verdict::NoRoom`] is no attempt and must not come here; it is treated
    /// as a retry.
    #[must_use]
    pub fn decide(&self, verdict: &Verdict, attempt: u32, now: UnixMicros, random: f64) -> Next {
        match verdict {
            Verdict::Done => Next::Done,
            Verdict::Reject { reason } => Next::Dead {
                reason: format!("rejected: {reason}"),
            },
            Verdict::Retry { reason, delay } => {
                let delay = delay.map(|wanted| wanted.min(self.max));
                self.again(self.attempts, attempt, now, delay, random, reason.clone())
            }
            Verdict::Failed(failure) => self.again(
                self.limit_for(failure),
                attempt,
                now,
                None,
                random,
                failure.to_string(),
            ),
            Verdict::NoRoom => self.again(
                u32::MAX,
                attempt,
                now,
                None,
                random,
                "no room for an attempt".into(),
            ),
        }
    }

    fn limit_for(&self, failure: &Failure) -> u32 {
        match failure {
            Failure::Other(_) => self.attempts,
            Failure::Memory(_)
            | Failure::Cpu(_)
            | Failure::Wall(_)
            | Failure::StackOverflow
            | Failure::Trap(_)
            | Failure::Exit(_) => self.failing_attempts,
        }
    }

    fn again(
        &self,
        limit: u32,
        attempt: u32,
        now: UnixMicros,
        delay: Option<Duration>,
        random: f64,
        reason: String,
    ) -> Next {
        if attempt >= limit {
            return Next::Dead {
                reason: format!("{reason} (attempt {attempt} of {limit}, the last)"),
            };
        }
        let delay = delay.unwrap_or_else(|| self.backoff(attempt, random));
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
        let next = RetryPolicy::default().decide(&verdict, 1, NOW, 0.5);
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
            policy.decide(&trap, 2, NOW, 0.5),
            Next::Retry { .. }
        ));
        assert!(matches!(
            policy.decide(&trap, 3, NOW, 0.5),
            Next::Dead { .. }
        ));
        assert!(matches!(
            policy.decide(&retry(None), 9, NOW, 0.5),
            Next::Retry { .. }
        ));
        assert!(matches!(
            policy.decide(&retry(None), 10, NOW, 0.5),
            Next::Dead { .. }
        ));
    }

    #[test]
    fn a_delay_of_the_handlers_own_is_kept_up_to_the_maximum() {
        let policy = RetryPolicy::default();
        let due = |delay| match policy.decide(&retry(Some(delay)), 1, NOW, 0.5) {
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
