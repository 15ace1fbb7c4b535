//! Values of limits: sizes, times and numbers, as they are typed, compared and held.

use std::fmt;
use std::time::Duration;

use super::units::{Size, Span};

/// A value as it is typed, and as it is held.
pub(super) trait Unit<T>: Copy + Into<Amount> {
    /// As it is typed.
    fn of(value: T) -> Self;
    /// As it is held.
    fn get(self) -> T;
}

impl Unit<u64> for Size {
    fn of(value: u64) -> Self {
        Self(value)
    }

    fn get(self) -> u64 {
        self.0
    }
}

impl Unit<usize> for Size {
    fn of(value: usize) -> Self {
        Self(value as u64)
    }

    fn get(self) -> usize {
        self.bytes()
    }
}

impl Unit<Duration> for Span {
    fn of(value: Duration) -> Self {
        Self(value)
    }

    fn get(self) -> Duration {
        self.0
    }
}

impl Unit<Self> for usize {
    fn of(value: Self) -> Self {
        value
    }

    fn get(self) -> Self {
        self
    }
}

/// The value of a limit. Only those of one unit are ever compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Amount {
    /// Bytes.
    Size(Size),
    /// Time.
    Span(Span),
    /// A number of something.
    Count(usize),
}

impl Amount {
    /// Whether it is zero.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        match self {
            Self::Size(size) => size.0 == 0,
            Self::Span(span) => span.0.is_zero(),
            Self::Count(count) => count == 0,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(size) => size.fmt(f),
            Self::Span(span) => span.fmt(f),
            Self::Count(count) => count.fmt(f),
        }
    }
}

impl From<Size> for Amount {
    fn from(size: Size) -> Self {
        Self::Size(size)
    }
}

impl From<Span> for Amount {
    fn from(span: Span) -> Self {
        Self::Span(span)
    }
}

impl From<usize> for Amount {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}
