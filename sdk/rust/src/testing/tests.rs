use log::Level;

use super::{Host, chat_push, event, room_join};
use crate::prelude::*;

const ROOM_JOIN: &str = r#"{"agent_id":"A80HVD8577","event_type":"room.join","data":
    {"room_name":"lobby","participant_count":3,"session_id":"s-1","extra":{"a":[1]}},
    "timestamp":1790607253.5575945}"#;
const CHAT_PUSH: &str = r#"{"agent_id":"A1","event_type":"chat.push","data":{"role":"assistant",
    "message":"Hi","session_id":"s-1","timestamp":1790607268.8956978},"timestamp":1790607268.9}"#;
const READY: &str = r#"{"id":"evt_a1b2c3","event":"agent.ready","created":1780417371,
    "data":{"agent_id":"A80HVD8577","code":"X"}}"#;

#[derive(serde::Deserialize)]
struct Extra {
    extra: Inner,
}

#[derive(serde::Deserialize)]
struct Inner {
    a: Vec<u8>,
}

struct Plugin;

impl OnRoomJoin for Plugin {
    fn on_room_join(event: RoomJoin) -> Outcome {
        let data: Extra = event.data()?;
        log::warn!("{} {}", event.room_name, data.extra.a.len());
        Ok(())
    }
}

impl OnChatPush for Plugin {
    fn on_chat_push(event: ChatPush) -> Outcome {
        let limit: u32 = config::parse_or("limit", 5)?;
        log::trace!("{}", event.message);
        if limit == 0 {
            Err(HandlerError::retry("no room"))
        } else {
            Ok(())
        }
    }
}

impl OnEvent for Plugin {
    fn on_event(event: Event) -> Outcome {
        let data: serde_json::Value = event.data()?;
        log::info!("{} {}", event.meta.event_type, data["code"]);
        Ok(())
    }
}

crate::export!(Plugin: OnRoomJoin, OnChatPush, OnEvent);

#[test]
fn unnamed_fields_are_reached_through_data() {
    let run = Host::new().room_join::<Plugin>(ROOM_JOIN);
    assert_eq!(run.outcome, Ok(()));
    assert_eq!(run.messages(), ["lobby 1"]);
    assert_eq!(run.log[0].level, Level::Warn);
    assert!(run.log[0].target.starts_with("hookbox_sdk::testing"));
}

#[test]
fn data_that_does_not_fit_is_rejected() {
    let run = Host::new().room_join::<Plugin>(&ROOM_JOIN.replace("extra", "other"));
    let Err(HandlerError::Reject(reason)) = run.outcome else {
        panic!("must reject")
    };
    assert!(reason.contains("extra"), "{reason}");
}

#[test]
fn configuration_reaches_the_handler_and_is_gone_afterwards() {
    let run = Host::new()
        .config("limit", "0")
        .chat_push::<Plugin>(CHAT_PUSH);
    assert_eq!(run.outcome, Err(HandlerError::retry("no room")));
    assert_eq!(config::get("limit"), Ok(None));
    assert_eq!(Host::new().chat_push::<Plugin>(CHAT_PUSH).outcome, Ok(()));
}

#[test]
fn a_value_that_does_not_parse_is_rejected_by_key() {
    let run = Host::new()
        .config("limit", "many")
        .chat_push::<Plugin>(CHAT_PUSH);
    let Err(HandlerError::Reject(reason)) = run.outcome else {
        panic!("must reject")
    };
    assert!(
        reason.contains("\"limit\"") && reason.contains("\"many\""),
        "{reason}"
    );
}

#[test]
fn a_secret_is_had_by_its_key_and_not_shown() {
    let run = Host::new()
        .config("a", "1")
        .secret("token", "s3cret")
        .run(|| {
            let token = config::secret("token")?.or_reject("no token")?;
            assert_eq!(token.expose(), "s3cret");
            log::info!(
                "{token:?} {:?} {:?}",
                config::all()?,
                config::secret("none")?
            );
            Ok(())
        });
    assert_eq!(run.outcome, Ok(()));
    assert_eq!(run.messages(), [r#"Secret(…) {"a": "1"} None"#]);
    assert_eq!(config::get("token"), Ok(None));
}

#[test]
fn all_of_the_configuration() {
    let run = Host::new().config("b", "2").config("a", "1").run(|| {
        log::info!("{:?}", config::all()?);
        Ok(())
    });
    assert_eq!(run.messages(), [r#"{"a": "1", "b": "2"}"#]);
}

#[test]
fn both_envelopes_make_events() {
    let join = room_join(ROOM_JOIN);
    assert_eq!(join.meta.agent_id.as_deref(), Some("A80HVD8577"));
    assert_eq!(join.meta.occurred_at, Some(1_790_607_253.557_594_5));
    assert_eq!(
        (join.participant_count, join.session_id.as_str()),
        (3, "s-1")
    );

    let push = chat_push(CHAT_PUSH);
    assert_eq!(
        (push.role, push.timestamp),
        (Role::Agent, 1_790_607_268.895_697_8)
    );

    let ready = event(READY);
    assert_eq!(ready.meta.event_type, "agent.ready");
    assert_eq!(ready.meta.agent_id.as_deref(), Some("A80HVD8577"));
    assert_eq!(ready.body, READY);
    assert_eq!(
        Host::new().event::<Plugin>(READY).messages(),
        ["agent.ready \"X\""]
    );
}

#[test]
#[should_panic(expected = "this isn't the data of a chat.push")]
fn a_body_of_another_kind_is_a_mistake_in_the_test() {
    let _ = chat_push(ROOM_JOIN);
}

#[test]
fn roles_are_words() {
    for (word, role) in [
        ("user", Role::User),
        ("agent", Role::Agent),
        ("assistant", Role::Agent),
    ] {
        assert_eq!(Role::from_word(word), role);
    }
    assert_eq!(Role::from_word("bot").to_string(), "bot");
    assert_eq!(Role::Agent.as_str(), "agent");
}
