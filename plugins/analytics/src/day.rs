//! Days of the calendar, in UTC.

const SECONDS: f64 = 86_400.0;

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day(i64);

impl Day {
    /// The day of a moment, in seconds since 1970.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a moment past the range stops at its end"
    )]
    pub(crate) fn of(seconds: f64) -> Self {
        Self((seconds / SECONDS).floor() as i64)
    }

    /// The day that is this many days earlier.
    pub(crate) fn before(self, days: i64) -> Self {
        Self(self.0.saturating_sub(days))
    }
}

/// As in `2026-09-28`.
impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Years from March to February, so that the leap day is the last.
        let days = self.0.clamp(-700_000, 2_900_000) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (month, next_year) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        let year = era * 400 + year_of_era + next_year;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::Day;

    #[test]
    fn a_moment_has_its_day() {
        for (seconds, day) in [
            (0.0, "1970-01-01"),
            (-0.5, "1969-12-31"),
            (951_782_400.0, "2000-02-29"),
            (951_868_799.9, "2000-02-29"),
            (951_868_800.0, "2000-03-01"),
            (1_705_312_285.0, "2024-01-15"),
            (1_790_607_268.9, "2026-09-28"),
            (4_107_542_400.0, "2100-03-01"),
        ] {
            assert_eq!(Day::of(seconds).to_string(), day);
        }
    }

    #[test]
    fn days_before_cross_months_and_years() {
        let new_year = Day::of(1_704_067_200.0);
        assert_eq!(new_year.to_string(), "2024-01-01");
        assert_eq!(new_year.before(1).to_string(), "2023-12-31");
    }
}
