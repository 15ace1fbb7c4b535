//! What follows from an attempt's verdict: done, again, or dead. Pure decisions;
//! time and randomness come in as arguments.

use std::time::Duration;

use super::breaker::Evidence;
use crate::journal::Next;
use crate::sandbox::{Failure, Verdict};
use crate::types::UnixMicros;
use crate::types::backoff::full_jitter;

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
    /// How many of them trapped or hit a limit, without the excused ones.
    pub traps: u32,
    /// How many don't count, since they trapped on a version that was on
    /// probation. Not stored: after a start they count among all.
    pub excused: u32,
}

impl Attempts {
    /// These and one more, which ended like this.
    #[must_use]
    pub fn and(self, end: &End) -> Self {
        Self {
            all: self.all.saturating_add(1),
            traps: self.traps.saturating_add(u32::from(end.is_trap())),
            ..self
        }
    }

    /// These and one more, which doesn't count.
    #[must_use]
    pub fn and_excused(self) -> Self {
        Self {
            all: self.all.saturating_add(1),
            excused: self.excused.saturating_add(1),
            ..self
        }
    }
}

/// How an attempt that counts has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The handler answered `ok`.
    Done,
    /// The handler asks for another attempt.
    Retry {
        /// Why.
        reason: String,
        /// After how long.
        delay: Option<Duration>,
    },
    /// The handler says that it will never work.
    Reject {
        /// Why.
        reason: String,
    },
    /// It came to no answer, or to one that can't be kept.
    Failed {
        /// Why.
        reason: String,
        /// Whether it trapped or hit a limit.
        trap: bool,
    },
}

impl End {
    /// What the attempt's verdict means here; `None` if it doesn't count.
    #[must_use]
    pub fn of(verdict: Verdict) -> Option<Self> {
        Some(match verdict {
            Verdict::Done => Self::Done,
            Verdict::Retry { reason, delay } => Self::Retry { reason, delay },
            Verdict::Reject { reason } => Self::Reject { reason },
            Verdict::Failed(failure) => Self::Failed {
                reason: failure.to_string(),
                trap: !matches!(failure, Failure::Other(_)),
            },
            Verdict::NoRoom | Verdict::Conflict { .. } => return None,
        })
    }

    /// What the handler wants kept doesn't fit: a limit like the others.
    #[must_use]
    pub fn over_quota(reason: String) -> Self {
        Self::Failed { reason, trap: true }
    }

    /// What it says about the plugin.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        match self {
            Self::Done | Self::Reject { .. } => Evidence::Works,
            Self::Failed { trap: true, .. } => Evidence::Traps,
            Self::Retry { .. } | Self::Failed { trap: false, .. } => Evidence::Fails,
        }
    }

    /// Whether it trapped or hit a limit.
    #[must_use]
    pub fn is_trap(&self) -> bool {
        matches!(self, Self::Failed { trap: true, .. })
    }
}

impl RetryPolicy {
    /// What happens to a delivery whose latest attempt ended like this;
    /// `attempts` counts that one already. `random` is evenly distributed in
    /// 0..1.
    #[must_use]
    pub fn decide(&self, end: &End, attempts: Attempts, now: UnixMicros, random: f64) -> Next {
        let (reason, delay) = match end {
            End::Done => return Next::Done,
            End::Reject { reason } => {
                return Next::Dead {
                    reason: format!("rejected: {reason}"),
                };
            }
            End::Retry { reason, delay } => (reason.clone(), *delay),
            End::Failed { reason, .. } => (reason.clone(), None),
        };
        if end.is_trap() && attempts.traps >= self.traps {
            let (trap, limit) = (attempts.traps, self.traps);
            return Next::Dead {
                reason: format!("{reason} (trap or limit {trap} of {limit}, the last)"),
            };
        }
        let counted = attempts.all.saturating_sub(attempts.excused);
        if counted >= self.attempts {
            let (attempt, limit) = (counted, self.attempts);
            return Next::Dead {
                reason: format!("{reason} (attempt {attempt} of {limit}, the last)"),
            };
        }
        self.again(reason, delay, attempts, now, random)
    }

    /// Another attempt, however many there have been.
    #[must_use]
    pub fn again(
        &self,
        reason: String,
        delay: Option<Duration>,
        attempts: Attempts,
        now: UnixMicros,
        random: f64,
    ) -> Next {
        let delay = delay.map_or_else(
            || full_jitter(self.base, self.max, attempts.all, random),
            |wanted| wanted.min(self.max),
        );
        Next::Retry {
            due_at: now.after(delay),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMicros = UnixMicros(1_000_000);

    fn attempts(all: u32, traps: u32) -> Attempts {
        Attempts {
            all,
            traps,
            excused: 0,
        }
    }

    fn retry(delay: Option<Duration>) -> End {
        End::Retry {
            reason: "not yet".into(),
            delay,
        }
    }

    fn failed(failure: Failure) -> End {
        End::of(Verdict::Failed(failure)).expect("it counts")
    }

    #[test]
    fn a_rejected_delivery_is_dead_at_once() {
        let end = End::Reject {
            reason: "no such order".into(),
        };
        let next = RetryPolicy::default().decide(&end, attempts(1, 0), NOW, 0.5);
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
        let trap = failed(Failure::Trap("unreachable".into()));
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
        let wall = failed(Failure::Wall(Duration::from_secs(10)));
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
        let trap = failed(Failure::Trap("unreachable".into()));
        let next = RetryPolicy::default().decide(&trap, attempts(10, 1), NOW, 0.5);
        let Next::Dead { reason } = next else {
            panic!("the tenth is the last");
        };
        assert!(reason.contains("attempt 10 of 10"), "{reason}");
    }

    #[test]
    fn an_excused_attempt_brings_the_end_no_nearer() {
        let trap = failed(Failure::Trap("unreachable".into()));
        let excused = (0..50).fold(Attempts::default(), |past, _| past.and_excused());
        let decide = |attempts| RetryPolicy::default().decide(&trap, attempts, NOW, 0.5);
        let twice = excused.and(&trap).and(&trap);
        assert!(matches!(decide(twice), Next::Retry { .. }));
        assert!(matches!(decide(twice.and(&trap)), Next::Dead { .. }));
        let asked = (0..9).fold(excused, |past, _| past.and(&retry(None)));
        let last = retry(None);
        let next = RetryPolicy::default().decide(&last, asked, NOW, 0.5);
        assert!(matches!(next, Next::Retry { .. }));
        let Next::Dead { reason } =
            RetryPolicy::default().decide(&last, asked.and(&last), NOW, 0.5)
        else {
            panic!("the tenth that counts is the last");
        };
        assert!(reason.contains("attempt 10 of 10"), "{reason}");
    }

    #[test]
    fn what_does_not_fit_the_quota_counts_as_a_limit() {
        let end = End::over_quota("too many counters".into());
        assert_eq!(Attempts::default().and(&end), attempts(1, 1));
        let next = RetryPolicy::default().decide(&end, attempts(3, 3), NOW, 0.5);
        assert!(
            next.reason()
                .is_some_and(|why| why.contains("too many counters"))
        );
        assert!(matches!(next, Next::Dead { .. }));
    }

    #[test]
    fn conflicts_and_a_lack_of_room_are_no_attempts() {
        let at = crate::types::effects::KvKey {
            bucket: "b".into(),
            key: "k".into(),
        };
        assert_eq!(End::of(Verdict::Conflict { at }), None);
        assert_eq!(End::of(Verdict::NoRoom), None);
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
}
