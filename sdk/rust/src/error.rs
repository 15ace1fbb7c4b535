//! How a handler says that it did not do its work.

use std::fmt;
use std::time::Duration;

/// Why a handler did not do its work, and whether another attempt makes sense.
///
/// `?` turns common errors into one of the two:
///
/// | error | becomes | because |
/// | --- | --- | --- |
/// | `serde_json::Error` | reject | the same bytes fail again |
/// | `ParseIntError`, `ParseFloatError`, `ParseBoolError`, `Utf8Error`, `FromUtf8Error`, `TryFromIntError`, `fmt::Error` | reject | so does the same text or number |
/// | `std::io::Error` | retry; reject if it is about invalid or unsupported input | the other side may be back |
/// | [`config::Error`](crate::config::Error) | reject a value that doesn't parse, retry one that the host couldn't read | the operator has to change it |
/// | [`kv::Error`](crate::kv::Error) | retry what the host refuses, reject a value that doesn't fit | room may be made; the same bytes don't fit again |
/// | [`outbox::Error`](crate::outbox::Error) | reject | the operator or the author has to change something |
///
/// For all others you say which: [`OrFail`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerError {
    /// It may work later: the host tries this delivery again.
    Retry {
        /// Why, for the operator.
        reason: String,
        /// How long to wait; the host bounds it. None leaves it to the host.
        delay: Option<Duration>,
    },
    /// It will never work: the host doesn't try again. Says why, for the operator.
    Reject(String),
}

impl HandlerError {
    /// Asks for another attempt, when the host thinks best.
    pub fn retry(reason: impl fmt::Display) -> Self {
        Self::Retry {
            reason: reason.to_string(),
            delay: None,
        }
    }

    /// Asks for another attempt after `delay`.
    pub fn retry_after(delay: Duration, reason: impl fmt::Display) -> Self {
        Self::Retry {
            reason: reason.to_string(),
            delay: Some(delay),
        }
    }

    /// Ends this delivery.
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self::Reject(reason.to_string())
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry {
                reason,
                delay: None,
            } => write!(f, "retry: {reason}"),
            Self::Retry {
                reason,
                delay: Some(delay),
            } => {
                write!(f, "retry after {} ms: {reason}", delay.as_millis())
            }
            Self::Reject(reason) => write!(f, "reject: {reason}"),
        }
    }
}

impl std::error::Error for HandlerError {}

macro_rules! rejects {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for HandlerError {
            fn from(error: $error) -> Self {
                Self::reject(error)
            }
        }
    )+};
}

rejects!(
    serde_json::Error,
    std::num::ParseIntError,
    std::num::ParseFloatError,
    std::num::TryFromIntError,
    std::str::ParseBoolError,
    std::str::Utf8Error,
    std::string::FromUtf8Error,
    fmt::Error,
);

impl From<std::io::Error> for HandlerError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{InvalidData, InvalidInput, Unsupported};
        match error.kind() {
            InvalidData | InvalidInput | Unsupported => Self::reject(error),
            _ => Self::retry(error),
        }
    }
}

/// Says for any `Result` or `Option` what its failure means.
///
/// ```
/// use hookbox_sdk::prelude::*;
///
/// fn first_word(text: &str) -> Result<&str, HandlerError> {
///     text.split_whitespace().next().or_reject("the message is empty")
/// }
///
/// assert_eq!(first_word(""), Err(HandlerError::reject("the message is empty")));
/// ```
pub trait OrFail<T> {
    /// On failure, asks for another attempt. `doing` comes first in the reason.
    ///
    /// # Errors
    /// [`HandlerError::Retry`].
    fn or_retry(self, doing: &str) -> Result<T, HandlerError>;

    /// On failure, asks for another attempt after `delay`.
    ///
    /// # Errors
    /// [`HandlerError::Retry`].
    fn or_retry_after(self, delay: Duration, doing: &str) -> Result<T, HandlerError>;

    /// On failure, ends this delivery.
    ///
    /// # Errors
    /// [`HandlerError::Reject`].
    fn or_reject(self, doing: &str) -> Result<T, HandlerError>;
}

impl<T, E: fmt::Display> OrFail<T> for Result<T, E> {
    fn or_retry(self, doing: &str) -> Result<T, HandlerError> {
        self.map_err(|e| HandlerError::retry(format_args!("{doing}: {e}")))
    }

    fn or_retry_after(self, delay: Duration, doing: &str) -> Result<T, HandlerError> {
        self.map_err(|e| HandlerError::retry_after(delay, format_args!("{doing}: {e}")))
    }

    fn or_reject(self, doing: &str) -> Result<T, HandlerError> {
        self.map_err(|e| HandlerError::reject(format_args!("{doing}: {e}")))
    }
}

impl<T> OrFail<T> for Option<T> {
    fn or_retry(self, doing: &str) -> Result<T, HandlerError> {
        self.ok_or_else(|| HandlerError::retry(doing))
    }

    fn or_retry_after(self, delay: Duration, doing: &str) -> Result<T, HandlerError> {
        self.ok_or_else(|| HandlerError::retry_after(delay, doing))
    }

    fn or_reject(self, doing: &str) -> Result<T, HandlerError> {
        self.ok_or_else(|| HandlerError::reject(doing))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::{HandlerError, OrFail};

    fn failing<E>(error: E) -> HandlerError
    where
        HandlerError: From<E>,
    {
        let run = || -> Result<(), HandlerError> { Err(error)? };
        run().expect_err("it fails")
    }

    #[test]
    fn bad_json_is_rejected_and_says_where() {
        let error = serde_json::from_str::<u32>("{").expect_err("not a number");
        let HandlerError::Reject(reason) = failing(error) else {
            panic!("must reject")
        };
        assert!(reason.contains("line 1"), "{reason}");
    }

    #[test]
    fn bad_text_is_rejected() {
        let error = "x".parse::<u32>().expect_err("not a number");
        assert!(matches!(failing(error), HandlerError::Reject(_)));
    }

    #[test]
    fn io_is_retried_unless_the_input_is_to_blame() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(matches!(
            failing(refused),
            HandlerError::Retry { delay: None, .. }
        ));
        let invalid = io::Error::from(io::ErrorKind::InvalidData);
        assert!(matches!(failing(invalid), HandlerError::Reject(_)));
    }

    #[test]
    fn the_author_decides_with_a_reason() {
        let busy: Result<(), &str> = Err("busy");
        assert_eq!(
            busy.or_retry("asking the CRM"),
            Err(HandlerError::retry("asking the CRM: busy"))
        );
        assert_eq!(
            busy.or_retry_after(Duration::from_secs(2), "asking"),
            Err(HandlerError::Retry {
                reason: "asking: busy".to_owned(),
                delay: Some(Duration::from_secs(2))
            })
        );
        assert_eq!(
            None::<u8>.or_reject("no customer"),
            Err(HandlerError::reject("no customer"))
        );
        assert_eq!(Some(1).or_reject("no customer"), Ok(1));
    }
}
