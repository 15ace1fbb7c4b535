//! Moments and lengths of time, as people write and read them. In UTC: a host's
//! log is, and hosts and operators are in different zones.

use crate::config::Span;
use crate::types::UnixMicros;

const DAY: i64 = 86_400;
const MICROS: i64 = 1_000_000;

/// Why a text is no moment. Says how to write one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} isn't a moment: write how long ago (\"2h\", \"30m\", \"7d\"), a day (\"2026-11-20\") or a time with its zone (\"2026-11-20T10:00Z\", \"2026-11-20T10:00:00+01:00\")"
)]
pub(crate) struct WhenError(String);

/// Reads a moment: how long before `now`, a day, or a time with its zone.
pub(crate) fn parse(text: &str, now: UnixMicros) -> Result<UnixMicros, WhenError> {
    if let Ok(Span(ago)) = Span::parse(text) {
        return Ok(now.before(ago));
    }
    seconds(text.trim())
        .and_then(|seconds| seconds.checked_mul(MICROS))
        .map(UnixMicros)
        .ok_or_else(|| WhenError(text.to_owned()))
}

/// Seconds since the epoch.
fn seconds(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let days = days(digits(year)?, two(month)?, two(day)?)?;
    let within = match time {
        Some(time) => clock(time)?,
        None => 0,
    };
    Some(days * DAY + within)
}

/// Seconds from midnight UTC; a zone can make them negative.
fn clock(text: &str) -> Option<i64> {
    let zone_at = text.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = text.split_at(zone_at);
    let mut parts = time.split(':');
    let (hours, minutes) = (two(parts.next()?)?, two(parts.next()?)?);
    let seconds = parts.next().map_or(Some(0), two)?;
    if parts.next().is_some() || hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let offset = match zone.split_at(1) {
        ("Z" | "z", "") => 0,
        (sign, offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let (hours, minutes) = (two(hours)?, two(minutes)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if sign == "-" { -seconds } else { seconds }
        }
    };
    Some(hours * 3600 + minutes * 60 + seconds - offset)
}

fn two(text: &str) -> Option<i64> {
    (text.len() == 2).then(|| digits(text)).flatten()
}

fn digits(text: &str) -> Option<i64> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the epoch to the first of January.
fn days_before(year: i64) -> i64 {
    let past = year - 1;
    let leaps = |years: i64| years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    (year - 1970) * 365 + leaps(past) - leaps(1969)
}

fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let fits = (1..=12).contains(&month) && (1..=month_length(year, month)).contains(&day);
    let months = (1..month).map(|month| month_length(year, month));
    fits.then(|| days_before(year) + months.sum::<i64>() + day - 1)
}

/// `2026-11-20 10:00:00`, in UTC.
pub(crate) fn show(moment: UnixMicros) -> String {
    let seconds = moment.0.div_euclid(MICROS);
    let (mut day, within) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Near it: too late after 1970, and too early before.
    let mut year = 1970 + day.div_euclid(365);
    while days_before(year) > day {
        year -= 1;
    }
    while days_before(year + 1) <= day {
        year += 1;
    }
    day -= days_before(year);
    let mut month = 1;
    while day >= month_length(year, month) {
        day -= month_length(year, month);
        month += 1;
    }
    format!(
        "{year:04}-{month:02}-{:02} {:02}:{:02}:{:02}",
        day + 1,
        within / 3600,
        within / 60 % 60,
        within % 60
    )
}

/// A length of time for people: `850 µs`, `12.3 ms`, `4.56 s`.
pub(crate) fn took(micros: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", micros / unit, micros % unit * 10 / unit);
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => format!("{} ms", tenths(1000)),
        _ => format!("{} s", tenths(1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixMicros = UnixMicros(1_000_000 * MICROS);

    #[test]
    fn moments_are_read() {
        for (text, seconds) in [
            ("2h", 1_000_000 - 7200),
            ("0", 1_000_000),
            ("1970-01-01", 0),
            ("1970-01-02T00:00Z", DAY),
            ("2026-11-20T10:00Z", 1_795_168_800),
            ("2026-11-20 10:00:07Z", 1_795_168_807),
            ("2026-11-20T11:30:00+01:30", 1_795_168_800),
            ("2026-11-20T09:00-01:00", 1_795_168_800),
            ("2000-02-29", 951_782_400),
            ("1969-12-31", -DAY),
        ] {
            assert_eq!(parse(text, NOW), Ok(UnixMicros(seconds * MICROS)), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_explained() {
        for text in [
            "",
            "yesterday",
            "2026-11-20T10:00",
            "2026-13-01",
            "2026-02-29",
            "2026-1-1",
            "2026-11-20T24:00Z",
            "2026-11-20T10:60Z",
            "2026-11-20T10Z",
            "2026-11-20T10:00+1",
            "99999-01-01",
            "2026-11-20T10:00Zx",
            "2026-11-20T10:00:00:00Z",
            "-1h",
            "+026-01-01",
        ] {
            let error = parse(text, NOW).expect_err(text).to_string();
            assert!(error.contains("2026-11-20T10:00Z"), "{error}");
        }
    }

    #[test]
    fn moments_are_shown_in_utc() {
        assert_eq!(show(UnixMicros(0)), "1970-01-01 00:00:00");
        assert_eq!(show(UnixMicros(-1)), "1969-12-31 23:59:59");
        assert_eq!(
            show(UnixMicros(-315_360_001 * MICROS)),
            "1960-01-03 23:59:59"
        );
        assert_eq!(
            show(UnixMicros(1_795_168_807_900_000)),
            "2026-11-20 10:00:07"
        );
        assert_eq!(
            show(UnixMicros(951_782_400 * MICROS)),
            "2000-02-29 00:00:00"
        );
    }

    #[test]
    fn lengths_are_short() {
        for (micros, shown) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (12_345, "12.3 ms"),
            (4_560_000, "4.5 s"),
        ] {
            assert_eq!(took(micros), shown);
        }
    }

    #[test]
    fn every_moment_is_shown() {
        for end in [i64::MIN, i64::MAX] {
            assert!(show(UnixMicros(end)).contains(':'));
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(seconds in -2_000_000_000_i64..100_000_000_000) {
            let moment = UnixMicros(seconds * MICROS);
            prop_assert_eq!(parse(&format!("{}Z", show(moment)), NOW), Ok(moment));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = parse(&text, NOW);
        }
    }
}
