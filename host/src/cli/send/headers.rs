//! The headers that the provider would send with a body. Pure: the time comes in.

use axum::http::{HeaderName, HeaderValue};

use crate::ingest::{TEST_HEADER, auth};
use crate::types::Secret;
use crate::types::UnixMicros;
use crate::types::envelope;

/// How to use the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Scheme {
    /// `X-bitHuman-Signature` over the body.
    Hmac,
    /// `X-bitHuman-Signature` over timestamp and body.
    HmacTimestamped,
    /// `Authorization: Bearer SECRET`.
    Bearer,
}

/// Why a text isn't a header.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum HeaderError {
    /// No colon.
    #[error("{0:?} isn't a header: write 'Name: value'")]
    NoColon(String),
    /// Characters that no header's name has.
    #[error("{0:?} can't be a header's name")]
    Name(String),
    /// The value isn't repeated: it may be a secret.
    #[error("the value of {0} holds characters that no header can have")]
    Value(String),
}

/// Reads `Name: value`.
pub(super) fn parse(text: &str) -> Result<(String, String), HeaderError> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| HeaderError::NoColon(text.to_owned()))?;
    let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(HeaderError::Name(name));
    }
    if HeaderValue::from_str(&value).is_err() {
        return Err(HeaderError::Value(name));
    }
    Ok((name, value))
}

/// The headers for `body`, signature included if there is a secret.
pub(super) fn headers(
    body: &[u8],
    secret: Option<&Secret>,
    scheme: Option<Scheme>,
    test: bool,
    now: UnixMicros,
) -> Vec<(String, String)> {
    let event = envelope::parse(body).ok();
    let delivery = event
        .as_ref()
        .and_then(|event| event.delivery_id.as_deref());
    let scheme = scheme.unwrap_or(if delivery.is_some() {
        Scheme::HmacTimestamped
    } else {
        Scheme::Hmac
    });
    let timestamp = now.0.div_euclid(1_000_000).to_string();
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let mut add = |name: &str, value: &str| {
        // Types and ids come from the body and may be any text.
        if HeaderValue::from_str(value).is_ok() {
            headers.push((name.to_owned(), value.to_owned()));
        }
    };
    if let (Some(event), Some(id)) = (&event, delivery) {
        add(auth::EVENT, &event.event_type);
        add(auth::DELIVERY, id);
    }
    // Where it is there, the host tries the timestamped scheme only.
    let dated = scheme == Scheme::HmacTimestamped || (delivery.is_some() && scheme != Scheme::Hmac);
    if dated {
        add(auth::TIMESTAMP, &timestamp);
    }
    if test {
        add(TEST_HEADER, "true");
    }
    if let Some(secret) = secret.map(Secret::expose) {
        match scheme {
            Scheme::Hmac => add(auth::SIGNATURE, &auth::signature(secret, body)),
            Scheme::HmacTimestamped => add(
                auth::SIGNATURE,
                &auth::timestamped_signature(secret, &timestamp, body),
            ),
            Scheme::Bearer => add(
                "authorization",
                &format!("Bearer {}", String::from_utf8_lossy(secret)),
            ),
        }
    }
    headers
}
