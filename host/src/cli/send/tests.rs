#![allow(clippy::unwrap_used)]

use std::io::BufRead as _;
use std::net::TcpListener;

use axum::http::{HeaderMap, HeaderName};

use super::*;
use crate::ingest::auth;
use crate::types::envelope;

const NOW: UnixMicros = UnixMicros(1_790_607_268_000_042);
const CHAT: &str = include_str!("../../../../tests/samples/chat.push.json");
const READY: &str = include_str!("../../../../tests/samples/agent.ready.json");

fn stamped(text: &str) -> String {
    String::from_utf8(stamp::stamp(text.into(), NOW)).unwrap()
}

#[test]
fn the_time_is_put_in_and_every_other_byte_kept() {
    assert_eq!(
        stamped(CHAT),
        CHAT.replace("1705312285.0", "1790607268.000042")
    );
    assert_eq!(stamped(READY), READY.replace("1780417371", "1790607268"));
    // Spaces, order, other places that look the same, numbers that grow.
    assert_eq!(
        stamped(
            r#" { "data" : {"a":{"timestamp":1}, "timestamp":2 },"timestamp" :-3e0, "event_type":"x"} "#
        ),
        r#" { "data" : {"a":{"timestamp":1}, "timestamp":1790607268.000042 },"timestamp" :1790607268.000042, "event_type":"x"} "#
    );
}

#[test]
fn an_absent_time_is_added_and_no_other_value_replaced() {
    assert_eq!(
        stamped(r#"{"event_type":"x"}"#),
        r#"{"timestamp":1790607268.000042,"event_type":"x"}"#
    );
    assert_eq!(
        stamped(r#"{"event":"x"}"#),
        r#"{"created":1790607268,"event":"x"}"#
    );
    for same in [
        r#"{"event_type":"x","timestamp":"soon"}"#,
        "{}",
        "[1]",
        "{",
        "",
    ] {
        assert_eq!(stamped(same), same);
    }
    assert_eq!(stamp::stamp(vec![0xff], NOW), [0xff]);
}

fn accepted(headers: &[(String, String)], body: &str, scheme: auth::Scheme) -> bool {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
    }
    auth::check(&[scheme], &map, body.as_bytes(), NOW.0 / 1_000_000).is_ok()
}

#[test]
fn the_host_accepts_what_is_signed_here() {
    let secret = Secret::new("whsec_x");
    let hmac = auth::Scheme::Hmac {
        secret: secret.clone(),
    };
    let timestamped = auth::Scheme::HmacTimestamped {
        secret: secret.clone(),
    };
    let bearer = auth::Scheme::Header {
        name: HeaderName::from_static("authorization"),
        value: Secret::new("Bearer whsec_x"),
    };
    for (body, scheme, accepting) in [
        (CHAT, None, &hmac),
        (READY, None, &timestamped),
        (READY, Some(Scheme::Hmac), &hmac),
        (CHAT, Some(Scheme::HmacTimestamped), &timestamped),
        (CHAT, Some(Scheme::Bearer), &bearer),
    ] {
        let made = headers::headers(body.as_bytes(), Some(&secret), scheme, false, NOW);
        assert!(
            accepted(&made, body, accepting.clone()),
            "{scheme:?} {made:?}"
        );
    }
}

#[test]
fn account_events_repeat_type_id_and_time_in_headers() {
    let made = headers::headers(READY.as_bytes(), None, None, true, NOW);
    let pairs: Vec<_> = made
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("content-type", "application/json"),
            ("x-bithuman-event", "agent.ready"),
            ("x-bithuman-delivery", "evt_a1b2c3"),
            ("x-bithuman-timestamp", "1790607268"),
            ("x-test-webhook", "true"),
        ]
    );
    assert_eq!(
        headers::headers(CHAT.as_bytes(), None, None, false, NOW).len(),
        1
    );
}

#[test]
fn a_header_is_a_name_and_a_value() {
    assert_eq!(
        headers::parse("X-API-Key: a:b "),
        Ok(("X-API-Key".into(), "a:b".into()))
    );
    assert_eq!(
        headers::parse("nothing"),
        Err(HeaderError::NoColon("nothing".into()))
    );
    assert_eq!(
        headers::parse("a b: c"),
        Err(HeaderError::Name("a b".into()))
    );
    assert_eq!(
        headers::parse("a: \n\u{1}b"),
        Err(HeaderError::Value("a".into()))
    );
}

/// Answers one request and gives back its body.
fn answering(status: &'static str) -> (String, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = std::io::BufReader::new(stream.try_clone().unwrap());
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\nhookbox-duplicate-of: e1\r\nlocation: /\r\ncontent-length: 2\r\n\r\n{{}}").unwrap();
        body
    });
    (url, thread)
}

#[test]
fn any_status_is_an_answer_and_redirects_are_not_followed() {
    for (line, status) in [
        ("200 OK", 200),
        ("401 Unauthorized", 401),
        ("302 Found", 302),
        ("503 No", 503),
    ] {
        let (url, thread) = answering(line);
        let answer = post(&url, &[("a".into(), "b".into())], CHAT.as_bytes()).unwrap();
        assert_eq!(
            answer,
            Answer {
                status,
                duplicate_of: Some("e1".into()),
                body: "{}".into()
            }
        );
        assert_eq!(thread.join().unwrap(), CHAT.as_bytes());
    }
}

#[test]
fn the_command_sends_the_stamped_file() {
    let (url, thread) = answering("200 OK");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("e.json");
    std::fs::write(&file, CHAT).unwrap();
    let args = Args {
        file,
        url,
        secret: Some("s".into()),
        scheme: None,
        headers: vec![],
        as_is: false,
        test: false,
    };
    let before = UnixMicros::now().as_seconds();
    assert_eq!(run(&args).unwrap(), ExitCode::SUCCESS);
    let sent = envelope::parse(&thread.join().unwrap()).unwrap();
    assert!(sent.occurred_at.unwrap() >= before - 1.0);
}

#[test]
fn an_answer_does_nothing_to_the_terminal() {
    let answer = Answer {
        status: 200,
        duplicate_of: Some("e1".into()),
        body: "{\"a\": \"\u{1b}[2J\u{9b}\u{202e}\"}".into(),
    };
    let text = answer.text();
    assert!(
        text.starts_with("200 {\"a\": \"\\u001b[2J\\u009b\\u202e\"}\na duplicate of event e1: "),
        "{text:?}"
    );
}
