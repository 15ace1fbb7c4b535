//! Who may post: headers and body are a stranger's, in any order and number.
//!
//! Held true: a request is let in if, and only if, one configured scheme's rule
//! holds, told here in the plainest way: the MAC of that key over that text.
#![no_main]

use hookbox::ingest::auth::{
    SIGNATURE, Scheme, TIMESTAMP, check, signature, timestamped_signature,
};
use hookbox::types::Secret;
use hookbox_fuzz::write_seeds;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const KEY: HeaderName = HeaderName::from_static("x-api-key");

#[derive(Arbitrary, Debug)]
enum Way {
    Header(Vec<u8>),
    Hmac(Vec<u8>),
    Timestamped(Vec<u8>),
}

/// A header that comes with the request.
#[derive(Arbitrary, Debug)]
enum Sent {
    Key(Vec<u8>),
    Signature(Vec<u8>),
    Timestamp(Vec<u8>),
    /// A number near the host's clock.
    Near(i16),
    /// What a sender with this key would send, in either way.
    Signed {
        key: Vec<u8>,
        timestamped: bool,
        upper: bool,
    },
    /// The secret of the configured scheme at this place.
    Known {
        scheme: u8,
        timestamped: bool,
    },
}

#[derive(Arbitrary, Debug)]
struct Request {
    schemes: Vec<Way>,
    sent: Vec<Sent>,
    body: Vec<u8>,
    now: i64,
}

fn scheme(way: &Way) -> Scheme {
    match way {
        Way::Header(value) => Scheme::Header {
            name: KEY,
            value: Secret::new(value.clone()),
        },
        Way::Hmac(secret) => Scheme::Hmac {
            secret: Secret::new(secret.clone()),
        },
        Way::Timestamped(secret) => Scheme::HmacTimestamped {
            secret: Secret::new(secret.clone()),
        },
    }
}

/// Adds what is sent, in order: a signature is over the timestamp that is first
/// until then.
fn headers(request: &Request) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for sent in &request.sent {
        let sign = |key: &[u8], timestamped: bool| {
            let timestamp = headers
                .get(TIMESTAMP)
                .and_then(|value: &HeaderValue| value.to_str().ok());
            match timestamp {
                Some(timestamp) if timestamped => {
                    timestamped_signature(key, timestamp, &request.body)
                }
                _ => signature(key, &request.body),
            }
        };
        let (name, value) = match sent {
            Sent::Key(value) => (KEY, value.clone()),
            Sent::Signature(value) => (HeaderName::from_static(SIGNATURE), value.clone()),
            Sent::Timestamp(value) => (HeaderName::from_static(TIMESTAMP), value.clone()),
            Sent::Near(by) => {
                let moment = request.now.saturating_add(i64::from(*by));
                (
                    HeaderName::from_static(TIMESTAMP),
                    moment.to_string().into_bytes(),
                )
            }
            Sent::Signed {
                key,
                timestamped,
                upper,
            } => {
                let mut value = sign(key, *timestamped);
                if *upper {
                    let digits = value.split_off("sha256=".len()).to_uppercase();
                    value.push_str(&digits);
                }
                (HeaderName::from_static(SIGNATURE), value.into_bytes())
            }
            Sent::Known {
                scheme,
                timestamped,
            } => {
                let count = request.schemes.len().max(1);
                match request.schemes.get(usize::from(*scheme) % count) {
                    None => continue,
                    Some(Way::Header(value)) => (KEY, value.clone()),
                    Some(Way::Hmac(key) | Way::Timestamped(key)) => (
                        HeaderName::from_static(SIGNATURE),
                        sign(key, *timestamped).into_bytes(),
                    ),
                }
            }
        };
        // A server takes no other bytes as a header's value.
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            headers.append(name, value);
        }
    }
    headers
}

/// The value, if it is there exactly once.
fn once<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let all: Vec<_> = headers.get_all(name).iter().collect();
    match all[..] {
        [one] => Some(one.as_bytes()),
        _ => None,
    }
}

/// The form is fixed; only the digits' case is free.
fn is_signature(sent: &[u8], expected: &str) -> bool {
    sent.starts_with(b"sha256=") && sent.eq_ignore_ascii_case(expected.as_bytes())
}

fn accepts(way: &Way, headers: &HeaderMap, request: &Request) -> bool {
    let sent = once(headers, SIGNATURE);
    match way {
        Way::Header(value) => once(headers, KEY.as_str()) == Some(value),
        Way::Hmac(secret) => {
            !headers.contains_key(TIMESTAMP)
                && sent.is_some_and(|sent| is_signature(sent, &signature(secret, &request.body)))
        }
        Way::Timestamped(secret) => {
            let Some(text) =
                once(headers, TIMESTAMP).and_then(|text| std::str::from_utf8(text).ok())
            else {
                return false;
            };
            let moment: Option<i128> = text.parse().ok();
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let near = moment.is_some_and(|moment| {
                i64::try_from(moment).is_ok() && (moment - i128::from(request.now)).abs() <= 300
            });
            let expected = timestamped_signature(secret, text, &request.body);
            digits && near && sent.is_some_and(|sent| is_signature(sent, &expected))
        }
    }
}

fuzz_target!(
    init: write_seeds(|| vec![b"a little of everything".repeat(8), vec![0; 64], vec![255; 200]]),
    |request: Request| {
        let schemes: Vec<_> = request.schemes.iter().map(scheme).collect();
        let headers = headers(&request);
        let expected = request.schemes.is_empty()
            || request.schemes.iter().any(|way| accepts(way, &headers, &request));
        let answer = check(&schemes, &headers, &request.body, request.now);
        assert_eq!(answer.is_ok(), expected, "{answer:?}");
    }
);
