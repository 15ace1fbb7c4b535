//! The plugin's configuration: the `[config]` table of its manifest, and the secrets
//! that `[secrets]` names and the operator gives.
//!
//! All values are text; [`parse`] makes other types of them. In native tests
//! they come from [`testing::Host::config`](crate::testing::Host::config).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::HandlerError;

/// Why a value could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The host couldn't read the configuration.
    Unreadable(String),
    /// The value is there but isn't what the plugin needs.
    Invalid {
        /// The key in `[config]`.
        key: String,
        /// The value there.
        value: String,
        /// Why it doesn't fit.
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "the configuration can't be read: {reason}"),
            Self::Invalid { key, value, reason } => {
                write!(f, "{key:?} in [config] is {value:?}: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for HandlerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unreadable(_) => Self::retry(error),
            Error::Invalid { .. } => Self::reject(error),
        }
    }
}

/// A secret, such as a token or a webhook's URL: `Debug` doesn't show it, and it has
/// no `Display`, so that it gets nowhere by accident. The host takes it out of log
/// lines and reasons, as long as it is written as it is or in a common encoding; what
/// you make of it or take out of it you have to keep from there yourself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for where it is needed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The secret that the manifest has under `key` in `[secrets]`; none if there is no
/// such key. A value of `[config]` is found as well: the operator may not mind who
/// reads it.
///
/// ```
/// # use hookbox_sdk::prelude::*;
/// # fn notify() -> Outcome {
/// let token = config::secret("token")?.or_reject("[secrets] has no token")?;
/// let request = outbox::Request::post("https://api.example.com/v1/notes")
///     .header("authorization", &format!("Bearer {}", token.expose()));
/// # drop(request);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the host couldn't read the configuration.
pub fn secret(key: &str) -> Result<Option<Secret>, Error> {
    Ok(source::get(key)?.map(Secret))
}

/// The value of `key`; none if there is no such key.
///
/// # Errors
/// When the host couldn't read the configuration.
pub fn get(key: &str) -> Result<Option<String>, Error> {
    source::get(key)
}

/// The value of `key`, or `default` if there is no such key.
///
/// # Errors
/// When the host couldn't read the configuration.
pub fn get_or(key: &str, default: &str) -> Result<String, Error> {
    Ok(get(key)?.unwrap_or_else(|| default.to_owned()))
}

/// The value of `key` as a number, `bool` or another type that can be parsed.
///
/// # Errors
/// When it doesn't parse (names the key and the value), or the host couldn't
/// read the configuration.
pub fn parse<T>(key: &str) -> Result<Option<T>, Error>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    get(key)?
        .map(|value| {
            value.parse().map_err(|reason: T::Err| Error::Invalid {
                key: key.to_owned(),
                reason: reason.to_string(),
                value,
            })
        })
        .transpose()
}

/// The value of `key` parsed, or `default` if there is no such key.
///
/// # Errors
/// As [`parse`].
pub fn parse_or<T>(key: &str, default: T) -> Result<T, Error>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    Ok(parse(key)?.unwrap_or(default))
}

/// All keys with their values, but for secrets, which are had by their key only.
///
/// # Errors
/// When the host couldn't read the configuration.
pub fn all() -> Result<BTreeMap<String, String>, Error> {
    source::all()
}

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::config as source;
#[cfg(target_arch = "wasm32")]
use crate::wasm::config as source;
