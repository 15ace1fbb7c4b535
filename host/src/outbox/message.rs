//! From what a handler queued to what is sent.

use hyper::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use uuid::Uuid;

use crate::outbound::client::{Request, is_reserved};
use crate::outbound::{Target, Unfit};
use crate::types::effects::OutgoingRequest;

/// The header that names a request for good.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const OWN_NAME: &str = concat!("hookbox/", env!("CARGO_PKG_VERSION"));

/// Why it can't be sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MessageError {
    #[error("this request can't be sent: {0}")]
    Unfit(#[from] Unfit),
    #[error(
        "this request can't be sent: {0:?} isn't a header's name, or its value holds control characters"
    )]
    Header(String),
    #[error("this request can't be sent: the header {0} is the host's to set")]
    Reserved(HeaderName),
}

/// Lays the host's headers over the handler's. A `User-Agent` of the handler's
/// stays.
pub(super) fn message(queued: OutgoingRequest, key: Uuid) -> Result<Request, MessageError> {
    let target = Target::parse(&queued.url)?;
    let mut headers = HeaderMap::new();
    for pair in queued.headers {
        let name = HeaderName::from_bytes(pair.name.as_bytes());
        let value = HeaderValue::from_bytes(pair.value.as_bytes());
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(MessageError::Header(pair.name.chars().take(64).collect()));
        };
        if is_reserved(&name) {
            return Err(MessageError::Reserved(name));
        }
        headers.append(name, value);
    }
    let key = HeaderValue::from_str(&key.hyphenated().to_string())
        .map_err(|_| MessageError::Reserved(IDEMPOTENCY_KEY))?;
    headers.insert(IDEMPOTENCY_KEY, key);
    headers
        .entry(USER_AGENT)
        .or_insert(HeaderValue::from_static(OWN_NAME));
    Ok(Request {
        method: queued.method,
        target,
        headers,
        body: queued.body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::effects::HeaderPair;

    fn with(pairs: &[(&str, &str)]) -> Result<Request, MessageError> {
        let pair = |&(name, value): &(&str, &str)| HeaderPair {
            name: name.into(),
            value: value.into(),
        };
        let queued = OutgoingRequest {
            method: "POST".into(),
            url: "https://a.example/x".into(),
            headers: pairs.iter().map(pair).collect(),
            body: "{}".into(),
        };
        message(queued, Uuid::from_u128(1))
    }

    #[test]
    fn the_hosts_headers_are_added() {
        let sent = with(&[("x-a", "1"), ("X-A", "2"), ("x-b", "grüße")]).expect("it can be sent");
        assert_eq!(sent.headers["x-b"].as_bytes(), "grüße".as_bytes());
        let all: Vec<_> = sent.headers.get_all("x-a").iter().collect();
        assert_eq!(all, ["1", "2"]);
        assert_eq!(sent.headers[USER_AGENT], OWN_NAME);
        assert_eq!(
            sent.headers[IDEMPOTENCY_KEY],
            "00000000-0000-0000-0000-000000000001"
        );
    }

    #[test]
    fn the_key_is_always_the_hosts_and_the_name_may_be_the_handlers() {
        let sent = with(&[
            ("Idempotency-Key", "mine"),
            ("idempotency-key", "two"),
            ("User-Agent", "me"),
        ])
        .expect("it can be sent");
        let keys: Vec<_> = sent.headers.get_all(IDEMPOTENCY_KEY).iter().collect();
        assert_eq!(keys, ["00000000-0000-0000-0000-000000000001"]);
        assert_eq!(sent.headers[USER_AGENT], "me");
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        for (name, value) in [
            ("x", "1\r\nx-evil: 1"),
            ("x", "1\nx"),
            ("x", "\0"),
            ("x: y\r\nz", "1"),
            ("", "1"),
            ("x y", "1"),
        ] {
            assert_eq!(
                with(&[(name, value)]).err(),
                Some(MessageError::Header(name.into()))
            );
        }
        for name in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "connection",
            "upgrade",
            "TE",
            "trailer",
            "expect",
            "proxy-authorization",
            "Keep-Alive",
        ] {
            assert!(
                matches!(with(&[(name, "1")]), Err(MessageError::Reserved(_))),
                "{name}"
            );
        }
    }
}
