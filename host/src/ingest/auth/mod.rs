//! Who may post: decided from headers, raw body and the time, without I/O.
//!
//! Several schemes may be configured, since both of the provider's families
//! arrive at one URL and secrets are changed one after the other; one that
//! accepts is enough. Both HMAC schemes use the same header, and whether
//! `X-BitHuman-Timestamp` is there decides which of the two is tried: a bad
//! timestamp never falls back to the scheme that has none, or an old request
//! could be replayed without it.
//!
//! A header that a scheme reads counts only if it is there exactly once: of two
//! values, a proxy and this host may each believe a different one. Secrets and
//! MACs are compared in constant time, and all schemes are gone through whether
//! or not an earlier one accepts.

mod sign;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::types::Secret;

pub use sign::{DELIVERY, EVENT, SIGNATURE, TIMESTAMP, signature, timestamped_signature};

static SIGNATURE_NAME: HeaderName = HeaderName::from_static(SIGNATURE);
static TIMESTAMP_NAME: HeaderName = HeaderName::from_static(TIMESTAMP);

/// How far a signed timestamp may be from the host's clock, in both directions.
pub const WINDOW: Duration = Duration::from_secs(300);

/// One way to prove to be the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A header with a value that both sides know.
    Header {
        /// The header's name; case doesn't matter.
        name: HeaderName,
        /// Its whole value, `Bearer …` included where there is one.
        value: Secret,
    },
    /// `X-bitHuman-Signature: sha256=<hex>` over the raw body.
    Hmac {
        /// The key.
        secret: Secret,
    },
    /// The same header over `{timestamp}.{raw body}`, with
    /// `X-BitHuman-Timestamp`.
    HmacTimestamped {
        /// The key, with its `whsec_`.
        secret: Secret,
    },
}

/// Why a scheme doesn't accept a request. Says what the sender has to look at,
/// never what was expected or sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header isn't there.
    #[error("the header {0} is missing")]
    Missing(HeaderName),
    /// The header is there more than once.
    #[error("the header {0} is there more than once")]
    Repeated(HeaderName),
    /// The header's value is another one.
    #[error("the header {0} has a wrong value")]
    WrongValue(HeaderName),
    /// Not of the form `sha256=<hex>`.
    #[error("the header {SIGNATURE} isn't \"sha256=\" and 64 hex digits")]
    NotASignature,
    /// The signature of something else, or with another secret.
    #[error("the signature doesn't match the body and a configured secret")]
    WrongSignature,
    /// Only the scheme without a timestamp is configured.
    #[error(
        "the request has {TIMESTAMP}, and no scheme of the type \"hmac-timestamped\" is configured"
    )]
    UnexpectedTimestamp,
    /// Not a number of seconds.
    #[error("the header {TIMESTAMP} isn't a whole number of seconds")]
    NotATimestamp,
    /// Too far from now.
    #[error("the header {TIMESTAMP} is more than 300 s from this host's clock")]
    OutsideWindow,
}

/// No scheme accepts the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unauthorized(pub Vec<Refusal>);

impl std::fmt::Display for Unauthorized {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not authorized: ")?;
        for (at, refusal) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{refusal}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Unauthorized {}

/// Decides about a request; `now` is in Unix seconds. Without any scheme all
/// requests are let in: the configuration sees to it that this is wanted.
///
/// # Errors
/// When no scheme accepts it: with each one's reason.
pub fn check(
    schemes: &[Scheme],
    headers: &HeaderMap,
    body: &[u8],
    now: i64,
) -> Result<(), Unauthorized> {
    if schemes.is_empty() {
        return Ok(());
    }
    let mut accepted = false;
    let mut refusals = Vec::new();
    for scheme in schemes {
        match try_scheme(scheme, headers, body, now) {
            Ok(()) => accepted = true,
            Err(refusal) if refusals.contains(&refusal) => {}
            Err(refusal) => refusals.push(refusal),
        }
    }
    if accepted {
        return Ok(());
    }
    // Of the two HMAC schemes, the one that the request doesn't use has nothing
    // to say if the other one is configured too.
    let timestamped = |scheme: &Scheme| matches!(scheme, Scheme::HmacTimestamped { .. });
    if schemes.iter().any(timestamped) {
        refusals.retain(|refusal| *refusal != Refusal::UnexpectedTimestamp);
    }
    Err(Unauthorized(refusals))
}

fn try_scheme(scheme: &Scheme, headers: &HeaderMap, body: &[u8], now: i64) -> Result<(), Refusal> {
    match scheme {
        Scheme::Header { name, value } => {
            // Hashes, so that the time doesn't tell the length either.
            let sent = Sha256::digest(the_one(headers, name)?);
            let known = Sha256::digest(value.expose());
            let same = bool::from(sent.as_slice().ct_eq(known.as_slice()));
            same.then_some(())
                .ok_or_else(|| Refusal::WrongValue(name.clone()))
        }
        Scheme::Hmac { .. } if headers.contains_key(&TIMESTAMP_NAME) => {
            Err(Refusal::UnexpectedTimestamp)
        }
        Scheme::Hmac { secret } => signed(headers, secret, &[body]),
        Scheme::HmacTimestamped { secret } => {
            let timestamp = the_one(headers, &TIMESTAMP_NAME)?;
            let seconds = seconds(timestamp).ok_or(Refusal::NotATimestamp)?;
            signed(headers, secret, &[timestamp, b".", body])?;
            if now.abs_diff(seconds) > WINDOW.as_secs() {
                return Err(Refusal::OutsideWindow);
            }
            Ok(())
        }
    }
}

fn signed(headers: &HeaderMap, secret: &Secret, parts: &[&[u8]]) -> Result<(), Refusal> {
    let value = the_one(headers, &SIGNATURE_NAME)?;
    let sent = sign::decode(value).ok_or(Refusal::NotASignature)?;
    let same = bool::from(sign::mac(secret.expose(), parts).ct_eq(&sent));
    same.then_some(()).ok_or(Refusal::WrongSignature)
}

/// The header's value, if it is there exactly once.
fn the_one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h [u8], Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values
        .next()
        .ok_or_else(|| Refusal::Missing(name.clone()))?;
    match values.next() {
        None => Ok(value.as_bytes()),
        Some(_) => Err(Refusal::Repeated(name.clone())),
    }
}

/// Digits only: neither sign, space nor fraction.
fn seconds(text: &[u8]) -> Option<i64> {
    let digits = std::str::from_utf8(text).ok()?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
