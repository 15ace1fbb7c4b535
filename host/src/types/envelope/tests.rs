#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::types::payload::{Misfit, Role, TypedKind};

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/samples/", $name, ".json"))
    };
}

fn misfit(body: &str) -> Misfit {
    match parse(body.as_bytes()).unwrap().payload {
        Payload::Misfit(misfit) => misfit,
        other => panic!("expected a misfit, got {other:?}"),
    }
}

#[test]
fn reads_a_room_join_as_sent() {
    let parsed = parse(sample!("room.join.live")).unwrap();
    assert_eq!(parsed.event_type, "room.join");
    assert_eq!(parsed.agent_id.as_deref(), Some("A80HVD8577"));
    assert_eq!(parsed.occurred_at, Some(1_790_607_253.557_594_5));
    assert_eq!(parsed.delivery_id, None);
    let Payload::RoomJoin(join) = parsed.payload else {
        panic!("not a room.join");
    };
    assert_eq!(join.participant_count, 3);
    assert_eq!(join.room_name, "room-A80HVD8577-qtrJ-cOFR");
    assert_eq!(parsed.session_id.as_deref(), Some(join.session_id.as_str()));
    assert!(join.raw.starts_with(r#"{"room_name":"#) && join.raw.ends_with(r#"a2433ff"}"#));
}

#[test]
fn reads_chat_pushes_of_both_roles() {
    for (body, role, message) in [
        (
            &sample!("chat.push")[..],
            Role::User,
            "I need help with my order #12345",
        ),
        (
            &sample!("chat.push.assistant")[..],
            Role::Agent,
            "I'm Pip, your friendly science fox!",
        ),
    ] {
        let Payload::ChatPush(push) = parse(body).unwrap().payload else {
            panic!("not a chat.push");
        };
        assert_eq!((push.role, push.message.as_str()), (role, message));
    }
    let other = r#"{"event_type":"chat.push","data":{"role":"agent","message":"","session_id":"","timestamp":1}}"#;
    let Payload::ChatPush(push) = parse(other.as_bytes()).unwrap().payload else {
        panic!("not a chat.push");
    };
    assert_eq!(push.role, Role::Agent);
}

#[test]
fn reads_account_events_and_tests() {
    let parsed = parse(sample!("agent.ready")).unwrap();
    assert_eq!(parsed.event_type, "agent.ready");
    assert_eq!(parsed.agent_id.as_deref(), Some("A80HVD8577"));
    assert_eq!(parsed.delivery_id.as_deref(), Some("evt_a1b2c3"));
    assert_eq!(parsed.occurred_at, Some(1_780_417_371.0));
    assert_eq!(parsed.payload, Payload::Other);
    assert_eq!(parse(sample!("test")).unwrap().event_type, "test");
}

#[test]
fn refuses_what_is_not_an_event_and_says_where() {
    let cases: [(&[u8], &str); 9] = [
        (
            b"{\"event_type\":\"a\xff\"}",
            "the body isn't UTF-8: the byte at offset 16 can't stand there",
        ),
        (
            b"",
            "the body isn't JSON: EOF while parsing a value at line 1, column 0",
        ),
        (
            b"{\"event_type\":\n \"x\",}",
            "the body isn't JSON: trailing comma at line 2, column 6",
        ),
        (
            b"{\"event_type\":\"x\"} x",
            "the body isn't JSON: trailing characters at line 1, column 20",
        ),
        (b"[1]", "the body must be a JSON object, this is an array"),
        (
            b" \"x\"",
            "the body must be a JSON object, this is a string",
        ),
        (b"null", "the body must be a JSON object, this is null"),
        (
            b"{}",
            "neither `event_type` nor `event` is a string, so this isn't an event",
        ),
        (
            b"{\"event_type\":5,\"event\":null}",
            "neither `event_type` nor `event` is a string, so this isn't an event",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(parse(body).unwrap_err().to_string(), message);
    }
}

#[test]
fn refuses_more_than_128_levels_without_recursion() {
    let nested = |levels: usize| {
        let inner = levels - 1;
        format!(
            "{{\"event\":\"x\",\n\"data\":{}{}}}",
            "[".repeat(inner),
            "]".repeat(inner)
        )
    };
    parse(nested(MAX_DEPTH).as_bytes()).unwrap();
    let place = NotAnEvent::TooDeep {
        line: 2,
        column: 8 + MAX_DEPTH - 1,
    };
    assert_eq!(parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err(), place);
    assert_eq!(parse(nested(10_000).as_bytes()).unwrap_err(), place);
    // Brackets in strings don't count.
    parse(format!(r#"{{"event":"{}"}}"#, "[\\\"".repeat(1000)).as_bytes()).unwrap();
}

#[test]
fn accepts_everything_else() {
    for body in [
        r#"{"event_type":"new.type"}"#,
        r#"{"event_type":"","data":7,"extra":{"a":[1e999]}}"#,
        r#"{"event":"x","id":7,"created":"yesterday","agent_id":{}}"#,
        r#"{"event":"x","id":""}"#,
    ] {
        let parsed = parse(body.as_bytes()).unwrap();
        assert_eq!(
            (
                parsed.agent_id,
                parsed.session_id,
                parsed.occurred_at,
                parsed.delivery_id
            ),
            (None, None, None, None)
        );
    }
}

#[test]
fn the_last_of_two_fields_counts_and_event_type_before_event() {
    let body = br#"{"event_type":"a","event":"b","id":"i","event_type":"c","data":{"session_id":"1","session_id":"2"}}"#;
    let parsed = parse(body).unwrap();
    assert_eq!(parsed.event_type, "c");
    assert_eq!(parsed.session_id.as_deref(), Some("2"));
    assert_eq!(parsed.delivery_id, None);
}

#[test]
fn a_misfit_names_its_place() {
    let room = |data: &str| misfit(&format!(r#"{{"event_type":"room.join","data":{data}}}"#));
    let expect = |path: &str, message: &str| Misfit {
        kind: TypedKind::RoomJoin,
        path: path.into(),
        message: message.into(),
    };
    assert_eq!(
        room("[]"),
        expect("data", "expected an object, found an array")
    );
    assert_eq!(
        room("{}"),
        expect("data.room_name", "expected a string, but it is missing")
    );
    let count = "expected a whole number from 0 to 4294967295, found";
    for (sent, found) in [
        ("\"3\"", "a string"),
        ("-1", "-1"),
        ("2.5", "2.5"),
        ("4294967296", "4294967296"),
    ] {
        assert_eq!(
            room(&format!(
                r#"{{"room_name":"r","participant_count":{sent},"session_id":"s"}}"#
            )),
            expect("data.participant_count", &format!("{count} {found}"))
        );
    }
    assert_eq!(
        misfit(r#"{"event_type":"chat.push"}"#),
        Misfit {
            kind: TypedKind::ChatPush,
            path: "data".into(),
            message: "expected an object, but it is missing".into()
        }
    );
}

#[test]
fn a_count_may_be_written_with_a_fraction_of_zero() {
    let body = r#"{"event_type":"room.join","data":{"room_name":"r","participant_count":3.0,"session_id":"s"}}"#;
    let Payload::RoomJoin(join) = parse(body.as_bytes()).unwrap().payload else {
        panic!("not a room.join");
    };
    assert_eq!(join.participant_count, 3);
}

#[test]
fn lone_surrogates_are_replaced_in_fields_and_kept_in_raw() {
    let data = r#"{"role":"\udc00","message":"a\ud83d\ud83d\ude00b\\ud83d\"\uD83D","session_id":"\ud800x","timestamp":1,"\udfff":0}"#;
    let body =
        format!(r#"{{"event_type":"chat.push","\ud800":1,"agent_id":"\udbff", "data" : {data} }}"#);
    let parsed = parse(body.as_bytes()).unwrap();
    assert_eq!(parsed.agent_id.as_deref(), Some("\u{fffd}"));
    assert_eq!(parsed.session_id.as_deref(), Some("\u{fffd}x"));
    let Payload::ChatPush(push) = parsed.payload else {
        panic!("not a chat.push");
    };
    assert_eq!(push.role, Role::Other("\u{fffd}".into()));
    assert_eq!(push.message, "a\u{fffd}😀b\\ud83d\"\u{fffd}");
    assert_eq!(push.raw, data);
    assert_eq!(
        parse(br#"{"event":"\ud83d"}"#).unwrap().event_type,
        "\u{fffd}"
    );
}

#[test]
fn a_large_body_of_lone_surrogates_takes_linear_time() {
    // A wide bound, for slow machines and builds without optimisation: a
    // quadratic scan misses it all the same.
    let message = "x\\ud83d".repeat(150_000);
    let body = format!(
        r#"{{"event_type":"chat.push","data":{{"role":"user","message":"{message}","session_id":"s","timestamp":1}}}}"#
    );
    let start = std::time::Instant::now();
    parse(body.as_bytes()).unwrap();
    assert!(start.elapsed() < std::time::Duration::from_secs(2));
}

/// JSON texts around the events' shapes, with all kinds of values and escapes.
fn json_text() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        Just(r"\ud83d".to_owned()),
        Just(r"\ud83d\ude00".to_owned()),
        Just(r"\udc00".to_owned()),
        Just(r#"\""#.to_owned()),
        Just(r"\\".to_owned()),
        "[ a-zé😀{}\\[\\],:]{0,6}",
    ];
    let string =
        prop::collection::vec(text, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()));
    let leaf = prop_oneof![
        string,
        Just("null".to_owned()),
        Just("1e400".to_owned()),
        Just("room.join".to_owned()).prop_map(|s| format!("\"{s}\"")),
        Just("\"chat.push\"".to_owned()),
        (-10_i64..10).prop_map(|n| n.to_string()),
        (0.0..2e9).prop_map(|n: f64| n.to_string()),
    ];
    let key = prop::sample::select(vec![
        "event_type",
        "event",
        "id",
        "agent_id",
        "data",
        "timestamp",
        "created",
        "session_id",
        "room_name",
        "participant_count",
        "role",
        "message",
        "other",
        r"\ud800",
    ]);
    leaf.prop_recursive(3, 24, 6, move |value| {
        prop_oneof![
            prop::collection::vec((key.clone(), value.clone()), 0..8).prop_map(|fields| {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(k, v)| format!("\"{k}\": {v}"))
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }),
            prop::collection::vec(value, 0..3).prop_map(|values| format!("[{}]", values.join(","))),
        ]
    })
}

fn check(body: &[u8]) -> Result<(), TestCaseError> {
    let Ok(parsed) = parse(body) else {
        return Ok(());
    };
    let raw = match &parsed.payload {
        Payload::RoomJoin(join) => Some(&join.raw),
        Payload::ChatPush(push) => Some(&push.raw),
        Payload::Misfit(_) | Payload::Other => None,
    };
    if let Some(raw) = raw {
        prop_assert!(std::str::from_utf8(body).unwrap().contains(raw.as_str()));
    }
    prop_assert_eq!(decode_payload(&parsed.event_type, body), parsed.payload);
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&body)?;
    }

    #[test]
    fn cut_and_altered_bodies_never_panic(at in 0_usize..300, byte in any::<u8>(), cut in any::<bool>()) {
        let mut body = sample!("chat.push.assistant").to_vec();
        let at = at % body.len();
        if cut { body.truncate(at) } else { body[at] = byte }
        check(&body)?;
    }

    #[test]
    fn every_object_with_a_type_is_accepted(data in json_text(), other in json_text()) {
        for name in ["room.join", "chat.push", "x"] {
            let body = format!(r#"{{"x":{other},"event_type":"{name}","data": {data} ,"id":{other}}}"#);
            prop_assert_eq!(parse(body.as_bytes()).unwrap().event_type, name);
            check(body.as_bytes())?;
        }
    }

    #[test]
    fn a_fitting_chat_push_is_read_whole(message in any::<String>(), word in any::<String>(), at in any::<f64>()) {
        prop_assume!(at.is_finite());
        let data = serde_json::json!({
            "role": word, "message": message, "session_id": message, "timestamp": at,
        }).to_string();
        let body = format!(r#"{{"event_type":"chat.push","data":{data}}}"#);
        let Payload::ChatPush(push) = parse(body.as_bytes()).unwrap().payload else {
            return Err(TestCaseError::fail("not a chat.push"));
        };
        prop_assert_eq!(push.raw, data);
        prop_assert_eq!(push.message, message);
        prop_assert_eq!(push.timestamp, at);
    }
}
