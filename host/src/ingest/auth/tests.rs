#![allow(clippy::unwrap_used)]

use axum::http::HeaderValue;
use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_790_607_268;
const BODY: &[u8] = br#"{"event_type":"test"}"#;

fn hmac() -> Scheme {
    Scheme::Hmac {
        secret: Secret::new("old"),
    }
}

fn timestamped() -> Scheme {
    Scheme::HmacTimestamped {
        secret: Secret::new("whsec_new"),
    }
}

fn api_key() -> Scheme {
    Scheme::Header {
        name: HeaderName::from_static("x-api-key"),
        value: Secret::new("k"),
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn refusals(schemes: &[Scheme], pairs: &[(&'static str, &str)]) -> Vec<Refusal> {
    check(schemes, &headers(pairs), BODY, NOW).unwrap_err().0
}

fn accepts(schemes: &[Scheme], pairs: &[(&'static str, &str)]) -> bool {
    check(schemes, &headers(pairs), BODY, NOW).is_ok()
}

#[test]
fn signs_like_a_known_example() {
    // RFC 4231, test case 2.
    assert_eq!(
        signature(b"Jefe", b"what do ya want for nothing?"),
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

#[test]
fn without_a_scheme_everyone_is_let_in() {
    assert!(accepts(&[], &[]));
}

#[test]
fn a_static_header_must_have_the_value_exactly_once() {
    assert!(accepts(&[api_key()], &[("x-api-key", "k")]));
    let name = HeaderName::from_static("x-api-key");
    for (sent, refusal) in [
        (&[][..], Refusal::Missing(name.clone())),
        (&[("x-api-key", "")], Refusal::WrongValue(name.clone())),
        (&[("x-api-key", "kk")], Refusal::WrongValue(name.clone())),
        (
            &[("x-api-key", "k"), ("x-api-key", "k")],
            Refusal::Repeated(name),
        ),
    ] {
        assert_eq!(refusals(&[api_key()], sent), [refusal]);
    }
}

#[test]
fn a_signature_over_the_raw_body_is_accepted() {
    let good = signature(b"old", BODY);
    assert!(accepts(&[hmac()], &[(SIGNATURE, &good)]));
    assert!(accepts(
        &[hmac()],
        &[(SIGNATURE, &good.to_uppercase().replace("SHA256", "sha256"))]
    ));
    for (bad, refusal) in [
        (signature(b"other", BODY), Refusal::WrongSignature),
        (signature(b"old", b"{}"), Refusal::WrongSignature),
        (good[7..].to_owned(), Refusal::NotASignature),
        (format!("{good}00"), Refusal::NotASignature),
        (format!("sha256={}", "g".repeat(64)), Refusal::NotASignature),
    ] {
        assert_eq!(refusals(&[hmac()], &[(SIGNATURE, &bad)]), [refusal]);
    }
    let name = HeaderName::from_static(SIGNATURE);
    assert_eq!(
        refusals(&[hmac()], &[(SIGNATURE, &good), (SIGNATURE, &good)]),
        [Refusal::Repeated(name)]
    );
}

#[test]
fn a_timestamped_signature_counts_for_300_seconds_in_both_directions() {
    for (offset, good) in [
        (-301, false),
        (-300, true),
        (0, true),
        (300, true),
        (301, false),
    ] {
        let at = (NOW + offset).to_string();
        let sent = timestamped_signature(b"whsec_new", &at, BODY);
        let result = check(
            &[timestamped()],
            &headers(&[(TIMESTAMP, &at), (SIGNATURE, &sent)]),
            BODY,
            NOW,
        );
        assert_eq!(result.is_ok(), good, "{offset}");
        if !good {
            assert_eq!(result.unwrap_err().0, [Refusal::OutsideWindow]);
        }
    }
}

#[test]
fn a_timestamp_that_is_no_number_is_refused_even_if_signed() {
    for at in [
        "",
        "+1790607268",
        " 1",
        "1790607268.5",
        "-1",
        "99999999999999999999",
        "soon",
    ] {
        let sent = timestamped_signature(b"whsec_new", at, BODY);
        let result = refusals(&[timestamped()], &[(TIMESTAMP, at), (SIGNATURE, &sent)]);
        assert_eq!(result, [Refusal::NotATimestamp], "{at:?}");
    }
}

#[test]
fn the_two_hmac_schemes_never_fall_back_to_each_other() {
    let same = |secret: &str| {
        let secret = Secret::new(secret);
        [
            Scheme::Hmac {
                secret: secret.clone(),
            },
            Scheme::HmacTimestamped { secret },
        ]
    };
    let schemes = same("s");
    let plain = signature(b"s", BODY);
    let now = NOW.to_string();
    assert!(accepts(&schemes, &[(SIGNATURE, &plain)]));
    // A good signature of the body alone doesn't count once a timestamp is there.
    for at in [now.as_str(), "", "soon", "1"] {
        assert!(
            !accepts(&schemes, &[(SIGNATURE, &plain), (TIMESTAMP, at)]),
            "{at:?}"
        );
        assert!(
            !accepts(&schemes[..1], &[(SIGNATURE, &plain), (TIMESTAMP, at)]),
            "{at:?}"
        );
    }
    // A timestamped signature doesn't count without its timestamp, or with two.
    let sent = timestamped_signature(b"s", &now, BODY);
    assert!(!accepts(&schemes, &[(SIGNATURE, &sent)]));
    assert!(!accepts(
        &schemes,
        &[(SIGNATURE, &sent), (TIMESTAMP, &now), (TIMESTAMP, &now)]
    ));
    assert!(accepts(&schemes, &[(SIGNATURE, &sent), (TIMESTAMP, &now)]));
}

#[test]
fn a_static_header_counts_whatever_the_signature_is() {
    let sent = [
        ("x-api-key", "k"),
        (SIGNATURE, "nonsense"),
        (TIMESTAMP, "soon"),
    ];
    assert!(accepts(&[timestamped(), api_key(), hmac()], &sent));
}

#[test]
fn one_of_several_secrets_is_enough() {
    let second = Scheme::Hmac {
        secret: Secret::new("second"),
    };
    for secret in ["old", "second"] {
        let sent = signature(secret.as_bytes(), BODY);
        assert!(accepts(&[hmac(), second.clone()], &[(SIGNATURE, &sent)]));
    }
}

#[test]
fn the_message_says_what_is_missing_and_no_secret() {
    let error = check(
        &[api_key(), hmac(), timestamped()],
        &headers(&[]),
        BODY,
        NOW,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "not authorized: the header x-api-key is missing; the header x-bithuman-signature is missing; the header x-bithuman-timestamp is missing"
    );
    assert!(!format!("{:?}", timestamped()).contains("whsec"));
}

proptest! {
    #[test]
    fn no_other_body_passes(body in prop::collection::vec(any::<u8>(), 0..64), at in 0_usize..64, bit in 0_u8..8) {
        prop_assume!(!body.is_empty());
        let sent = headers(&[(SIGNATURE, &signature(b"old", &body))]);
        prop_assert!(check(&[hmac()], &sent, &body, NOW).is_ok());
        let mut other = body.clone();
        other[at % body.len()] ^= 1 << bit;
        prop_assert!(check(&[hmac()], &sent, &other, NOW).is_err());
    }

    #[test]
    fn any_header_bytes_are_safe(signature in prop::collection::vec(32_u8..255, 0..80), at in "[0-9]{0,25}") {
        prop_assume!(!signature.contains(&127));
        let mut sent = headers(&[(TIMESTAMP, &at)]);
        sent.insert(SIGNATURE, HeaderValue::from_bytes(&signature).unwrap());
        prop_assert!(check(&[hmac(), timestamped()], &sent, BODY, NOW).is_err());
    }
}
