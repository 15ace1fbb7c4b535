//! Which events a plugin is for: a pure decision, made when an event is stored.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::payload::{Payload, TypedKind};

/// One of the handler interfaces of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Handler {
    /// `on-room-join`
    RoomJoin,
    /// `on-chat-push`
    ChatPush,
    /// `on-event`
    Event,
}

impl Handler {
    /// The interface's name in the contract.
    #[must_use]
    pub fn interface(self) -> &'static str {
        match self {
            Self::RoomJoin => "on-room-join",
            Self::ChatPush => "on-chat-push",
            Self::Event => "on-event",
        }
    }
}

/// The handler interfaces that a component exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handlers {
    /// It exports `on-room-join`.
    pub room_join: bool,
    /// It exports `on-chat-push`.
    pub chat_push: bool,
    /// It exports `on-event`.
    pub event: bool,
}

impl Handlers {
    /// Whether there is any handler at all.
    #[must_use]
    pub fn any(self) -> bool {
        self.room_join || self.chat_push || self.event
    }

    /// The names of the interfaces.
    pub fn interfaces(self) -> impl Iterator<Item = &'static str> {
        [
            (self.room_join, Handler::RoomJoin),
            (self.chat_push, Handler::ChatPush),
            (self.event, Handler::Event),
        ]
        .into_iter()
        .filter(|(there, _)| *there)
        .map(|(_, handler)| handler.interface())
    }

    /// The handler that gets an event with this payload, if there is one.
    ///
    /// `on-event` also gets what doesn't fit its typed record; where it isn't
    /// exported, such a delivery can't be handled.
    #[must_use]
    pub fn for_payload(self, payload: &Payload) -> Option<Handler> {
        let (there, handler) = match payload {
            Payload::RoomJoin(_) => (self.room_join, Handler::RoomJoin),
            Payload::ChatPush(_) => (self.chat_push, Handler::ChatPush),
            Payload::Misfit(_) | Payload::Other => (self.event, Handler::Event),
        };
        there.then_some(handler)
    }
}

/// The events that a plugin is to get. Stored with the plugin's name, since
/// events are routed while the plugin's file is still being compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The handlers that it exports; unknown until it has been loaded once.
    pub handlers: Option<Handlers>,
    /// Only these event types; all if `None`.
    pub types: Option<Vec<String>>,
    /// Only these agents; all if `None`.
    pub agents: Option<Vec<String>>,
}

impl Subscription {
    /// Whether a delivery of `event` is to be made for this plugin.
    ///
    /// A plugin with unknown handlers gets everything that its filters let
    /// through: the delivery waits for it and is closed unhandled if it turns
    /// out to have no handler for it. A typed event that doesn't fit its record
    /// is for the plugins that handle that type as well: their delivery ends
    /// dead and says where the misfit is.
    #[must_use]
    pub fn wants(&self, event: &Event) -> bool {
        self.filters_pass(event) && self.handlers.is_none_or(|h| exports_fit(h, &event.payload))
    }

    fn filters_pass(&self, event: &Event) -> bool {
        let type_passes = self
            .types
            .as_ref()
            .is_none_or(|types| types.contains(&event.event_type));
        let agent_passes = self.agents.as_ref().is_none_or(|agents| {
            event
                .agent_id
                .as_ref()
                .is_some_and(|agent| agents.contains(agent))
        });
        type_passes && agent_passes
    }
}

fn exports_fit(handlers: Handlers, payload: &Payload) -> bool {
    handlers.for_payload(payload).is_some()
        || match payload {
            Payload::Misfit(misfit) => match misfit.kind {
                TypedKind::RoomJoin => handlers.room_join,
                TypedKind::ChatPush => handlers.chat_push,
            },
            _ => false,
        }
}
