//! What follows from an attempt to send: sent, again later, or dead. Pure
//! decisions; time and randomness come in as arguments.

use std::time::{Duration, SystemTime};

use crate::journal::OutboxNext;
use crate::types::UnixMicros;
use crate::types::backoff::full_jitter;

/// When to send again, and when to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The upper bound of the first delay.
    pub base: Duration,
    /// The upper bound that no delay exceeds, also none that the other side asks
    /// for.
    pub max: Duration,
    /// Attempts in all.
    pub attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            max: Duration::from_secs(60 * 60),
            attempts: 12,
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other side answered.
    Answered {
        /// With this.
        status: u16,
        /// `Retry-After`, if it says that.
        retry_after: Option<Duration>,
    },
    /// No answer; another attempt may get one.
    Unanswered {
        /// Why.
        reason: String,
    },
    /// It can't be sent as it is, now or later.
    Impossible {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::Unanswered { .. } | Self::Impossible { .. } => None,
        }
    }
}

impl RetryPolicy {
    /// What happens to a request whose latest attempt, the `attempts`-th, ended
    /// like this. `random` is evenly distributed in 0..1.
    ///
    /// Redirects aren't followed: the new place isn't checked, and what is sent
    /// may hold secrets that aren't meant for it.
    #[must_use]
    pub fn decide(
        &self,
        outcome: &Outcome,
        attempts: u32,
        now: UnixMicros,
        random: f64,
    ) -> OutboxNext {
        let (reason, wanted) = match outcome {
            Outcome::Impossible { reason } => {
                return OutboxNext::Dead {
                    reason: reason.clone(),
                };
            }
            Outcome::Unanswered { reason } => (reason.clone(), None),
            Outcome::Answered {
                status,
                retry_after,
            } => match status {
                200..=299 => return OutboxNext::Sent,
                408 | 425 | 429 | 500..=599 => (format!("answered {status}"), *retry_after),
                300..=399 => {
                    return OutboxNext::Dead {
                        reason: format!(
                            "answered {status}: redirects aren't followed, so it must be queued for the place that it redirects to"
                        ),
                    };
                }
                _ => {
                    return OutboxNext::Dead {
                        reason: format!("answered {status}, which another attempt won't change"),
                    };
                }
            },
        };
        if attempts >= self.attempts {
            return OutboxNext::Dead {
                reason: format!(
                    "{reason} (attempt {attempts} of {}, the last)",
                    self.attempts
                ),
            };
        }
        let wanted = wanted.unwrap_or_default().min(self.max);
        let delay = full_jitter(self.base, self.max, attempts, random).max(wanted);
        OutboxNext::Retry {
            due_at: now.after(delay),
            reason,
        }
    }
}

/// Reads `Retry-After`: seconds, or a date.
#[must_use]
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMicros = UnixMicros(1_000_000);

    fn answered(status: u16) -> Outcome {
        Outcome::Answered {
            status,
            retry_after: None,
        }
    }

    fn decide(outcome: &Outcome, attempts: u32) -> OutboxNext {
        RetryPolicy::default().decide(outcome, attempts, NOW, 0.5)
    }

    #[test]
    fn a_good_answer_is_the_end() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(decide(&answered(status), 1), OutboxNext::Sent);
        }
    }

    #[test]
    fn what_may_pass_is_sent_again() {
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            let next = decide(&answered(status), 1);
            assert!(matches!(next, OutboxNext::Retry { .. }), "{status}");
        }
        let next = decide(
            &Outcome::Unanswered {
                reason: "no".into(),
            },
            3,
        );
        let due_at = NOW.after(Duration::from_secs(2));
        let reason = "no".into();
        assert_eq!(next, OutboxNext::Retry { due_at, reason });
    }

    #[test]
    fn what_wont_change_is_dead_at_once() {
        for status in [101, 301, 302, 307, 400, 401, 404, 410, 422, 600] {
            let next = decide(&answered(status), 1);
            let OutboxNext::Dead { reason } = next else {
                panic!("{status}: {next:?}");
            };
            assert!(reason.contains(&status.to_string()), "{reason}");
        }
        let reason: String = "no such header".into();
        let next = decide(
            &Outcome::Impossible {
                reason: reason.clone(),
            },
            1,
        );
        assert_eq!(next, OutboxNext::Dead { reason });
    }

    #[test]
    fn the_last_attempt_says_so() {
        let next = decide(&answered(503), 12);
        let reason = "answered 503 (attempt 12 of 12, the last)".into();
        assert_eq!(next, OutboxNext::Dead { reason });
    }

    #[test]
    fn the_other_side_may_ask_for_a_longer_delay_within_the_bound() {
        let after = |seconds| Outcome::Answered {
            status: 429,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        for (asked, counts) in [(120, 120), (0, 0), (1_000_000, 3600)] {
            let next = RetryPolicy::default().decide(&after(asked), 1, NOW, 0.0);
            let due = NOW.after(Duration::from_secs(counts));
            assert!(
                matches!(next, OutboxNext::Retry { due_at, .. } if due_at == due),
                "{asked}: {next:?}"
            );
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        for (text, seconds) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(
                retry_after(text, now).map(|delay| delay.as_secs()),
                seconds,
                "{text}"
            );
        }
    }

    proptest! {
        /// Every sequence of failures ends, and no delay exceeds the bound.
        #[test]
        fn it_ends_and_never_waits_too_long(
            status in 100u16..700, attempts in 1u32.., random in 0.0..1.0f64, asked: u64,
        ) {
            let policy = RetryPolicy::default();
            let retry_after = Some(Duration::from_secs(asked));
            let outcome = Outcome::Answered { status, retry_after };
            if let OutboxNext::Retry { due_at, .. } = policy.decide(&outcome, attempts, NOW, random) {
                prop_assert!(attempts < policy.attempts);
                prop_assert!(due_at >= NOW && due_at <= NOW.after(policy.max));
            }
        }
    }
}
