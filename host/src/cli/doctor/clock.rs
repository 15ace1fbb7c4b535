//! The clock: signed webhooks, retries and retention go by it.

use std::path::Path;

use super::report::Report;
use crate::cli::operator::when;
use crate::types::UnixMicros;

const TOPIC: &str = "clock";

/// 2026-01-01: this program is younger.
const YOUNGEST: UnixMicros = UnixMicros(1_767_225_600_000_000);
/// How far the store may be ahead of the clock, in microseconds.
const SLACK: i64 = 60_000_000;

pub(super) fn look(data: &Path, report: &mut Report) {
    let written = data.join("journal.sqlite").metadata();
    let written = written.and_then(|it| it.modified()).ok().and_then(|at| {
        let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_micros()).ok().map(UnixMicros)
    });
    judge(UnixMicros::now(), written, report);
}

fn judge(now: UnixMicros, written: Option<UnixMicros>, report: &mut Report) {
    let shown = when::show(now);
    let advice = Some(
        "set it, and have it kept right by NTP: signatures with a timestamp are valid for 300 s",
    );
    if now < YOUNGEST {
        report.problem(
            TOPIC,
            format!("it is at {shown} UTC, which is over"),
            advice,
        );
    } else if let Some(written) = written.filter(|at| at.0 > now.0.saturating_add(SLACK)) {
        let found = format!(
            "it is at {shown} UTC, and the store was written at {} UTC: it was set back",
            when::show(written)
        );
        report.warning(TOPIC, found, advice);
    } else {
        report.ok(TOPIC, format!("{shown} UTC"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Level;

    #[test]
    fn a_clock_that_is_behind_is_noticed() {
        let level = |now: i64, written: Option<i64>| {
            let mut report = Report::default();
            judge(UnixMicros(now), written.map(UnixMicros), &mut report);
            report.lines[0].level
        };
        let now = YOUNGEST.0 + 1;
        assert_eq!(level(0, None), Level::Problem);
        assert_eq!(level(now, None), Level::Ok);
        assert_eq!(level(now, Some(now + SLACK)), Level::Ok);
        assert_eq!(level(now, Some(now + SLACK + 1)), Level::Warning);
    }
}
