//! Between the contract's records and the SDK's: fields are moved, not copied.

use super::bindings::room_join::hookbox::plugin::types as wit;
use crate::{ChatPush, Event, EventMeta, HandlerError, Role, RoomJoin};

impl From<wit::EventMeta> for EventMeta {
    fn from(meta: wit::EventMeta) -> Self {
        Self {
            id: meta.id,
            delivery_id: meta.delivery_id,
            endpoint: meta.endpoint,
            agent_id: meta.agent_id,
            event_type: meta.event_type,
            occurred_at: meta.occurred_at,
            received_at: meta.received_at,
            attempt: meta.attempt,
            manual: meta.manual,
        }
    }
}

impl From<(wit::EventMeta, wit::RoomJoin)> for RoomJoin {
    fn from((meta, event): (wit::EventMeta, wit::RoomJoin)) -> Self {
        Self {
            meta: meta.into(),
            room_name: event.room_name,
            participant_count: event.participant_count,
            session_id: event.session_id,
            raw: event.raw,
        }
    }
}

impl From<(wit::EventMeta, wit::ChatPush)> for ChatPush {
    fn from((meta, event): (wit::EventMeta, wit::ChatPush)) -> Self {
        Self {
            meta: meta.into(),
            role: match event.role {
                wit::Role::User => Role::User,
                wit::Role::Agent => Role::Agent,
                wit::Role::Other(word) => Role::Other(word),
            },
            message: event.message,
            session_id: event.session_id,
            timestamp: event.timestamp,
            raw: event.raw,
        }
    }
}

impl From<(wit::EventMeta, String)> for Event {
    fn from((meta, body): (wit::EventMeta, String)) -> Self {
        Self {
            meta: meta.into(),
            body,
        }
    }
}

impl From<HandlerError> for wit::HandlerError {
    fn from(error: HandlerError) -> Self {
        match error {
            HandlerError::Retry { reason, delay } => Self::Retry(wit::Retry {
                reason,
                // A delay past the end of u64 milliseconds is bounded by the host anyway.
                delay_ms: delay.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            }),
            HandlerError::Reject(reason) => Self::Reject(reason),
        }
    }
}
