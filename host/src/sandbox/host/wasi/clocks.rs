//! `wasi:clocks`: as coarse as a handler of webhooks needs, so that nothing fine of
//! the machine can be timed; and no clock tells since when the machine is up.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Both clocks tick once in this time.
const RESOLUTION: Duration = Duration::from_millis(1);

/// The time of day.
pub(super) struct Wall;

/// The time since the attempt's start.
pub(super) struct SinceStart(Instant);

impl SinceStart {
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }
}

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        // A machine whose clock stands before 1970 has it at 1970.
        coarse(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }
}

impl HostMonotonicClock for SinceStart {
    fn resolution(&self) -> u64 {
        nanoseconds(RESOLUTION)
    }

    fn now(&self) -> u64 {
        nanoseconds(coarse(self.0.elapsed()))
    }
}

/// Cut to whole ticks.
fn coarse(time: Duration) -> Duration {
    let past = time.as_nanos() % RESOLUTION.as_nanos();
    time - Duration::from_nanos(u64::try_from(past).unwrap_or(0))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_whole_milliseconds() {
        assert_eq!(
            coarse(Duration::new(3, 1_999_999)),
            Duration::new(3, 1_000_000)
        );
        assert_eq!(coarse(Duration::from_nanos(999_999)), Duration::ZERO);
        assert_eq!(Wall.now().subsec_nanos() % 1_000_000, 0);
        let started = SinceStart(Instant::now());
        assert_eq!(started.now() % 1_000_000, 0);
        assert_eq!(started.resolution(), 1_000_000);
    }
}
