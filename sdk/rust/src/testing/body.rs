//! Events from whole bodies, as the host makes them.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{ChatPush, Event, EventMeta, Role, RoomJoin};

/// Both envelopes of the provider, as far as the records need them.
#[derive(Deserialize)]
struct Body<'a> {
    agent_id: Option<String>,
    #[serde(alias = "event")]
    event_type: String,
    #[serde(alias = "created", borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RoomJoinData {
    room_name: String,
    participant_count: u32,
    session_id: String,
}

#[derive(Deserialize)]
struct ChatPushData<'a> {
    role: String,
    message: String,
    session_id: String,
    #[serde(borrow)]
    timestamp: &'a RawValue,
}

/// Only the fields that both kinds of data may have.
#[derive(Deserialize)]
struct AgentData {
    agent_id: Option<String>,
}

/// The event of a `room.join` body.
///
/// # Panics
/// When the body isn't one: a mistake in the test.
#[must_use]
pub fn room_join(body: &str) -> RoomJoin {
    let (meta, raw) = envelope(body);
    let data: RoomJoinData = fits(&raw, "the data of a room.join");
    RoomJoin {
        meta,
        room_name: data.room_name,
        participant_count: data.participant_count,
        session_id: data.session_id,
        raw,
    }
}

/// The event of a `chat.push` body.
///
/// # Panics
/// As [`room_join`].
#[must_use]
pub fn chat_push(body: &str) -> ChatPush {
    let (meta, raw) = envelope(body);
    let data: ChatPushData<'_> = fits(&raw, "the data of a chat.push");
    ChatPush {
        meta,
        role: Role::from_word(&data.role),
        timestamp: seconds(data.timestamp).unwrap_or_else(|| {
            panic!("this isn't the data of a chat.push: the timestamp isn't a number\n{raw}")
        }),
        message: data.message,
        session_id: data.session_id,
        raw,
    }
}

/// The event of any body.
///
/// # Panics
/// As [`room_join`].
#[must_use]
pub fn event(body: &str) -> Event {
    let (meta, _) = envelope(body);
    Event {
        meta,
        body: body.to_owned(),
    }
}

fn envelope(text: &str) -> (EventMeta, String) {
    let body: Body<'_> = fits(text, "an event's body");
    let raw = body.data.map_or("null", RawValue::get).to_owned();
    let occurred_at = body.timestamp.and_then(seconds);
    let meta = EventMeta {
        id: "test-event".to_owned(),
        delivery_id: "test-delivery".to_owned(),
        endpoint: "default".to_owned(),
        agent_id: body.agent_id.or_else(|| {
            serde_json::from_str::<AgentData>(&raw)
                .ok()
                .and_then(|data| data.agent_id)
        }),
        event_type: body.event_type,
        occurred_at,
        received_at: occurred_at.unwrap_or_default(),
        attempt: 1,
        manual: false,
    };
    (meta, raw)
}

/// A number as the standard library reads it: to the nearest f64, which
/// `serde_json` promises only with a feature that costs plugins size.
fn seconds(number: &RawValue) -> Option<f64> {
    number
        .get()
        .parse()
        .ok()
        .filter(|seconds: &f64| seconds.is_finite())
}

fn fits<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> T {
    match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => panic!("this isn't {what}: {error}\n{text}"),
    }
}
