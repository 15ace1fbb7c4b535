//! Requests that a handler queues: checked, so that what is stored can be sent as
//! it is.

use std::sync::Arc;

use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{Method, Uri};

use super::limits::EffectLimits;
use crate::outbound::{Denied, Grants};
use crate::types::effects::{HeaderPair, OutgoingRequest};

/// The longest URL, in bytes.
pub(in crate::sandbox) const MAX_URL: usize = 8 << 10;

/// The most bytes of names and values of headers together.
pub(in crate::sandbox) const MAX_HEADERS: usize = 16 << 10;

/// The most headers: servers take no more than about as many.
pub(in crate::sandbox) const MAX_HEADER_COUNT: usize = 64;

/// Headers that the host sets, or that belong to a single connection.
const RESERVED: [&str; 14] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "idempotency-key",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Why a request isn't queued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::sandbox) enum NotQueued {
    /// The manifest doesn't allow it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It is no request.
    #[error("{0}")]
    Invalid(String),
    /// Too large, or one too many.
    #[error("{what} of an outbox request: limit of {limit}, and this would be {asked}")]
    Size {
        /// What of it.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// What there would have been.
        asked: usize,
    },
    /// One too many.
    #[error("an attempt has a limit of {limit} outbox requests, and this would be number {asked}")]
    Count {
        /// The limit.
        limit: usize,
        /// What there would have been.
        asked: usize,
    },
}

/// The requests of one attempt.
#[derive(Debug)]
pub(in crate::sandbox) struct Outbox {
    grants: Arc<Grants>,
    limits: EffectLimits,
    requests: Vec<OutgoingRequest>,
}

impl Outbox {
    pub(super) fn new(grants: Arc<Grants>, limits: EffectLimits) -> Self {
        Self {
            grants,
            limits,
            requests: Vec::new(),
        }
    }

    /// Queues a request.
    pub(super) fn send(&mut self, request: OutgoingRequest) -> Result<(), NotQueued> {
        let (limit, asked) = (self.limits.requests, self.requests.len() + 1);
        if asked > limit {
            return Err(NotQueued::Count { limit, asked });
        }
        within("the body", request.body.len(), self.limits.request_body)?;
        check(&request)?;
        self.grants.check(&request.method, &request.url)?;
        self.requests.push(request);
        Ok(())
    }

    pub(super) fn into_requests(self) -> Vec<OutgoingRequest> {
        self.requests
    }
}

fn check(request: &OutgoingRequest) -> Result<(), NotQueued> {
    within("the URL", request.url.len(), MAX_URL)?;
    let headers = request.headers.iter();
    let bytes = headers.map(|header| header.name.len() + header.value.len());
    within("the headers", bytes.sum(), MAX_HEADERS)?;
    within(
        "the number of headers",
        request.headers.len(),
        MAX_HEADER_COUNT,
    )?;
    method(&request.method)?;
    url(&request.url)?;
    request.headers.iter().try_for_each(header)
}

fn within(what: &'static str, asked: usize, limit: usize) -> Result<(), NotQueued> {
    if asked > limit {
        return Err(NotQueued::Size { what, limit, asked });
    }
    Ok(())
}

fn method(method: &str) -> Result<(), NotQueued> {
    const LONGEST: usize = 32;
    let good = method.len() <= LONGEST
        && Method::from_bytes(method.as_bytes()).is_ok()
        && !method.bytes().any(|byte| byte.is_ascii_lowercase())
        && !["CONNECT", "TRACE"].contains(&method);
    if good {
        return Ok(());
    }
    let shown: String = method.chars().take(LONGEST).collect();
    invalid(format!(
        "{shown:?} is no method that can be sent: it is GET, POST, … in capitals"
    ))
}

fn url(url: &str) -> Result<(), NotQueued> {
    let parsed: Uri = match url.parse() {
        Ok(parsed) => parsed,
        Err(error) => return invalid(format!("the URL is malformed: {error}")),
    };
    if !matches!(parsed.scheme_str(), Some("http" | "https")) {
        return invalid("the URL is not absolute: it starts with https:// or http://".into());
    }
    let Some(authority) = parsed.authority().filter(|a| !a.host().is_empty()) else {
        return invalid("the URL names no host".into());
    };
    if authority.as_str().contains('@') {
        return invalid("the URL holds a user name: send an Authorization header instead".into());
    }
    if url.contains('#') {
        return invalid("the URL has a fragment (#), which is never sent".into());
    }
    Ok(())
}

fn header(header: &HeaderPair) -> Result<(), NotQueued> {
    const SHOWN: usize = 64;
    let shown: String = header.name.chars().take(SHOWN).collect();
    let Ok(name) = HeaderName::from_bytes(header.name.as_bytes()) else {
        return invalid(format!("{shown:?} is no name of a header"));
    };
    if RESERVED.contains(&name.as_str()) {
        return invalid(format!("the header {shown:?} is set by the host"));
    }
    if HeaderValue::from_bytes(header.value.as_bytes()).is_err() {
        return invalid(format!(
            "the value of the header {shown:?} holds a control character"
        ));
    }
    Ok(())
}

fn invalid(why: String) -> Result<(), NotQueued> {
    Err(NotQueued::Invalid(why))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn request() -> OutgoingRequest {
        OutgoingRequest {
            method: "POST".into(),
            url: "https://hooks.example.com/in?a=1".into(),
            headers: vec![HeaderPair {
                name: "Content-Type".into(),
                value: "text/plain; charset=utf-8".into(),
            }],
            body: Bytes::from_static(b"hello"),
        }
    }

    fn with_header(name: &str, value: &str) -> OutgoingRequest {
        let mut request = request();
        request.headers.push(HeaderPair {
            name: name.into(),
            value: value.into(),
        });
        request
    }

    #[test]
    fn a_whole_request_passes() {
        assert_eq!(check(&request()), Ok(()));
        assert_eq!(check(&with_header("X-Name", "Grüße")), Ok(()));
    }

    #[test]
    fn a_url_is_absolute_and_names_a_host_and_nobody() {
        for (url, why) in [
            ("/in", "not absolute"),
            ("hooks.example.com/in", "malformed"),
            ("ftp://example.com/in", "not absolute"),
            ("https://", "malformed"),
            ("https:///in", "malformed"),
            ("https://me:secret@example.com/in", "user name"),
            ("https://example.com/in#there", "fragment"),
            ("https://example.com/a b", "malformed"),
            ("https://example.com/\r\nHost: other", "malformed"),
            ("https://exämple.com/", "malformed"),
        ] {
            let request = OutgoingRequest {
                url: url.into(),
                ..request()
            };
            let Err(NotQueued::Invalid(said)) = check(&request) else {
                panic!("{url} passes");
            };
            assert!(said.contains(why), "{url}: {said}");
        }
    }

    #[test]
    fn a_method_is_a_word_in_capitals() {
        for method in ["", "post", "PO ST", "GET\r\n", "CONNECT", "TRACE"] {
            let request = OutgoingRequest {
                method: method.into(),
                ..request()
            };
            assert!(
                matches!(check(&request), Err(NotQueued::Invalid(_))),
                "{method}"
            );
        }
    }

    #[test]
    fn headers_of_the_host_and_split_headers_are_refused() {
        for (name, value) in [
            ("Host", "other.example.com"),
            ("content-length", "5"),
            ("Idempotency-Key", "mine"),
            ("Transfer-Encoding", "chunked"),
            ("CONNECTION", "close"),
            ("x-split", "a\r\nhost: b"),
            ("x-split\r\nhost", "b"),
            ("", "b"),
            ("x-zero", "a\0b"),
        ] {
            let said = check(&with_header(name, value));
            assert!(
                matches!(said, Err(NotQueued::Invalid(_))),
                "{name:?}: {said:?}"
            );
        }
    }

    #[test]
    fn sizes_are_bounded_and_the_limit_is_named() {
        let long_url = OutgoingRequest {
            url: format!("https://example.com/{}", "a".repeat(MAX_URL)),
            ..request()
        };
        let long_header = with_header("x-long", &"a".repeat(MAX_HEADERS));
        let mut many = request();
        many.headers = vec![many.headers[0].clone(); MAX_HEADER_COUNT + 1];
        for (request, limit) in [(long_url, "8192"), (long_header, "16384"), (many, "64")] {
            let error = check(&request).expect_err("too large");
            assert!(
                error.to_string().contains(&format!("limit of {limit}")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_body_over_the_limit_and_one_request_too_many_are_refused() {
        let limits = EffectLimits {
            requests: 0,
            ..EffectLimits::default()
        };
        let mut none = Outbox::new(Arc::default(), limits);
        assert_eq!(
            none.send(request()).map_err(|error| error.to_string()),
            Err("an attempt has a limit of 0 outbox requests, and this would be number 1".into())
        );
        let limits = EffectLimits {
            request_body: 4,
            ..EffectLimits::default()
        };
        let error = Outbox::new(Arc::default(), limits)
            .send(request())
            .expect_err("5 bytes");
        assert_eq!(
            error.to_string(),
            "the body of an outbox request: limit of 4, and this would be 5"
        );
    }

    #[test]
    fn nothing_is_sent_that_the_manifest_doesnt_allow() {
        let mut outbox = Outbox::new(Arc::default(), EffectLimits::default());
        let said = outbox.send(request());
        assert!(matches!(said, Err(NotQueued::Denied(_))), "{said:?}");
        assert_eq!(outbox.into_requests(), []);
    }
}
