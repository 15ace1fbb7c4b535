//! Refused requests are worth a warning each, but whoever sends bad ones must
//! not be able to fill the log.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// At most one line in this time for each kind of refusal.
const QUIET: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Line {
    last: Option<Instant>,
    left_out: u64,
}

/// Decides which refusals are logged. Unauthorized requests have a line of their
/// own: a flood of them doesn't hide what an authorized sender does wrong.
#[derive(Debug, Default)]
pub(super) struct Noise {
    unauthorized: Mutex<Line>,
    other: Mutex<Line>,
}

impl Noise {
    /// Whether to log a refusal at `now`, and how many were left out before it.
    pub(super) fn line(&self, unauthorized: bool, now: Instant) -> Option<u64> {
        let line = if unauthorized {
            &self.unauthorized
        } else {
            &self.other
        };
        let mut line = line.lock().ok()?;
        if line
            .last
            .is_some_and(|last| now.duration_since(last) < QUIET)
        {
            line.left_out += 1;
            return None;
        }
        line.last = Some(now);
        Some(std::mem::take(&mut line.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second_and_hides_nothing_else() {
        let noise = Noise::default();
        let start = Instant::now();
        assert_eq!(noise.line(true, start), Some(0));
        assert_eq!(noise.line(true, start + QUIET / 2), None);
        assert_eq!(noise.line(false, start + QUIET / 2), Some(0));
        assert_eq!(noise.line(true, start + QUIET), Some(1));
        assert_eq!(noise.line(true, start + 2 * QUIET), Some(0));
    }
}
