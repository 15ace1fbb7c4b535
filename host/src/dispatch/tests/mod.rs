//! Dispatch as a whole, with a store in memory. `journal` and `bench` are shared;
//! the other files are tests, by subject.

mod bench;
mod conflicts;
mod effects;
mod fairness;
mod journal;
mod manual;
mod outcomes;
mod pauses;
mod rollbacks;
mod smoke;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use bench::Bench;

use crate::types::event::Event;
use crate::types::payload::{ChatPush, Role};
use crate::types::{
    EndpointName, EventId, EventSeq, Payload, PluginKey, PluginName, StoredEvent, UnixMicros,
};

pub(super) fn key() -> PluginKey {
    key_of("test")
}

pub(super) fn key_of(plugin: &str) -> PluginKey {
    PluginKey {
        endpoint: EndpointName::default_endpoint(),
        plugin: PluginName::new(plugin).expect("a good name"),
    }
}

pub(super) fn event(event_type: &str, body: Bytes, payload: Payload) -> StoredEvent {
    event_of(None, event_type, body, payload)
}

pub(super) fn event_of(
    session: Option<&str>,
    event_type: &str,
    body: Bytes,
    payload: Payload,
) -> StoredEvent {
    StoredEvent {
        seq: EventSeq(1),
        event: Arc::new(Event {
            id: EventId::generate(),
            endpoint: EndpointName::default_endpoint(),
            event_type: event_type.into(),
            agent_id: None,
            session_id: session.map(str::to_owned),
            occurred_at: None,
            received_at: UnixMicros(0),
            test_header: false,
            body,
            payload,
        }),
    }
}

fn chat_push() -> Payload {
    Payload::ChatPush(ChatPush {
        role: Role::User,
        message: "hello".into(),
        session_id: "s".into(),
        timestamp: 1.5,
        raw: "{}".into(),
    })
}
