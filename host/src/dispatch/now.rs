//! The two clocks, read together. The store keeps moments of the wall clock,
//! which can jump; what is in memory waits by the monotonic clock, which can't.

use std::time::{Duration, Instant};

use crate::types::UnixMicros;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For the store and for people.
    pub wall: UnixMicros,
    /// For waiting.
    pub mono: Instant,
}

impl Now {
    /// Reads both clocks.
    #[must_use]
    pub fn read() -> Self {
        Self {
            wall: UnixMicros::now(),
            mono: Instant::now(),
        }
    }

    /// When to start what the store says is due at `due_at`. Nobody waits for
    /// more than `longest`, so a wall clock that has been set back since holds
    /// nothing up for hours.
    #[must_use]
    pub fn due(&self, due_at: UnixMicros, longest: Duration) -> Instant {
        self.mono + due_at.until(self.wall).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MAX: Duration = Duration::from_secs(300);

    fn now(wall: UnixMicros) -> Now {
        Now {
            wall,
            mono: Instant::now(),
        }
    }

    #[test]
    fn what_was_put_off_waits_for_the_rest_of_its_time() {
        let stored = UnixMicros(0).after(HOUR);
        let now = now(stored);
        let due_at = stored.after(Duration::from_secs(7));
        assert_eq!(now.due(due_at, MAX) - now.mono, Duration::from_secs(7));
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up_for_longer_than_the_longest_wait() {
        let due_at = UnixMicros(0).after(10 * HOUR);
        let now = now(UnixMicros(0).after(HOUR));
        assert_eq!(now.due(due_at, MAX) - now.mono, MAX);
        let end_of_time = UnixMicros(i64::MAX);
        assert_eq!(now.due(end_of_time, MAX) - now.mono, MAX);
    }

    #[test]
    fn a_clock_that_was_set_forward_makes_due_at_once() {
        let now = now(UnixMicros(0).after(10 * HOUR));
        assert_eq!(now.due(UnixMicros(0).after(HOUR), MAX), now.mono);
        assert_eq!(now.due(UnixMicros(i64::MIN), MAX), now.mono);
    }
}
