//! The events that handlers receive.

use serde::de::DeserializeOwned;

use crate::{Role, raw};

/// What the host knows about an event, apart from its content.
#[derive(Debug, Clone, PartialEq)]
pub struct EventMeta {
    /// The event's id: the same for every plugin and every attempt.
    pub id: String,
    /// The id of this event for this plugin: the same for every attempt, so it
    /// serves as an idempotency key towards other systems.
    pub delivery_id: String,
    /// The endpoint that the event came in at.
    pub endpoint: String,
    /// The agent (avatar) that the event is about, where the body names one.
    pub agent_id: Option<String>,
    /// The event's type as sent: `room.join`, `agent.ready`, …
    pub event_type: String,
    /// When it happened by the provider's clock, in seconds since 1970. None
    /// where the body doesn't say.
    pub occurred_at: Option<f64>,
    /// When the host received it, in seconds since 1970.
    pub received_at: f64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Whether an operator had it run again by hand, outside its session's order.
    pub manual: bool,
}

/// A visitor connected to an avatar's session (`room.join`).
#[derive(Debug, Clone, PartialEq)]
pub struct RoomJoin {
    /// What the host knows about the event.
    pub meta: EventMeta,
    /// The room's name.
    pub room_name: String,
    /// How many are in the room, the agent and its avatar included.
    pub participant_count: u32,
    /// The conversation: its events carry the same id.
    pub session_id: String,
    /// The body's `data` as JSON text, exactly as it was sent.
    pub raw: String,
}

/// Somebody said something in a session (`chat.push`).
#[derive(Debug, Clone, PartialEq)]
pub struct ChatPush {
    /// What the host knows about the event.
    pub meta: EventMeta,
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub message: String,
    /// The conversation: its events carry the same id.
    pub session_id: String,
    /// When it was said by the provider's clock, in seconds since 1970.
    pub timestamp: f64,
    /// The body's `data` as JSON text, exactly as it was sent.
    pub raw: String,
}

/// Any other event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What the host knows about the event.
    pub meta: EventMeta,
    /// The whole body as JSON text, exactly as it was sent.
    pub body: String,
}

impl RoomJoin {
    /// The body's `data` as a type of yours, for fields that this record
    /// doesn't name.
    ///
    /// # Errors
    /// When `data` doesn't fit `T`. With `?` in a handler that is a reject: the
    /// same bytes would fail again.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.raw)
    }
}

impl ChatPush {
    /// The body's `data` as a type of yours, for fields that this record
    /// doesn't name.
    ///
    /// # Errors
    /// As [`RoomJoin::data`].
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.raw)
    }
}

impl Event {
    /// The body's `data` as a type of yours.
    ///
    /// # Errors
    /// When there is no `data` or it doesn't fit `T`; as [`RoomJoin::data`].
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        raw::data_of(&self.body)
    }

    /// The whole body as a type of yours.
    ///
    /// # Errors
    /// When it doesn't fit `T`; as [`RoomJoin::data`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.body)
    }
}
