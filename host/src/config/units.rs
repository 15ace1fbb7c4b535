//! Sizes and durations as people write them: `"64MiB"`, `"10s"`.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A number of bytes. A bare number is bytes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A length of time. Needs a unit, so that nobody has to guess one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Why a text isn't a size or duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a whole number and a unit of bytes.
    #[error("{0:?} isn't a size: write a whole number and B, KiB, MiB or GiB, such as \"64MiB\"")]
    Size(String),
    /// Not a whole number and a unit of time.
    #[error("{0:?} isn't a duration: write a whole number and ms, s, m, h or d, such as \"10s\"")]
    Span(String),
}

impl Size {
    /// Reads `512`, `64KiB`, `64 MiB`.
    ///
    /// # Errors
    /// When the number isn't whole, the unit unknown, or the size above 2^64.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split(text);
        let scale = match unit {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err(UnitError::Size(text.to_owned())),
        };
        number
            .and_then(|number| number.checked_mul(1 << scale))
            .map(Self)
            .ok_or_else(|| UnitError::Size(text.to_owned()))
    }

    /// As a count in memory; stops at the machine's largest.
    #[must_use]
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Span {
    /// Reads `500ms`, `10s`, `5m`, `24h`, `7 d`, and `0`.
    ///
    /// # Errors
    /// When the number isn't whole, the unit unknown, or the time too long.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split(text);
        let millis = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" if number == Some(0) => 1,
            _ => return Err(UnitError::Span(text.to_owned())),
        };
        number
            .and_then(|number| number.checked_mul(millis))
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| UnitError::Span(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        let whole = |&&(shift, _): &&(u32, &str)| self.0 > 0 && self.0.trailing_zeros() >= shift;
        match units.iter().find(whole) {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

fn split(text: &str) -> (Option<u64>, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number.parse().ok(), unit.trim_start())
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"64MiB\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                Size::parse(text).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes)
                    .map(Size)
                    .map_err(|_| E::custom(UnitError::Size(bytes.to_string())))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"10s\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("7B", 7),
            ("64KiB", 65_536),
            ("2 GiB", 2 << 30),
        ] {
            assert_eq!(Size::parse(text), Ok(Size(bytes)));
        }
        for text in [
            "",
            "MiB",
            "64MB",
            "1.5MiB",
            "-1",
            "99999999999GiB",
            "1 MiB x",
        ] {
            assert_eq!(Size::parse(text), Err(UnitError::Size(text.into())));
        }
    }

    #[test]
    fn durations_need_a_unit() {
        for (text, millis) in [
            ("0", 0),
            ("250ms", 250),
            ("10s", 10_000),
            ("2 m", 120_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(Span::parse(text), Ok(Span(Duration::from_millis(millis))));
        }
        for text in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "3 weeks",
            "99999999999999999d",
        ] {
            assert_eq!(Span::parse(text), Err(UnitError::Span(text.into())));
        }
    }
}
