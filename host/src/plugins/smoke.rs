//! `[rollback] smoke` of a manifest: the event that a version has to handle before
//! it is swapped in.

use bytes::Bytes;

use crate::types::envelope::{self, Parsed};
use crate::types::event::Event;
use crate::types::payload::Payload;
use crate::types::{EndpointName, EventId, Handlers, UnixMicros};

/// Why there is no such event.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSmoke {
    #[error(transparent)]
    NotAnEvent(#[from] envelope::NotAnEvent),
    #[error("the component exports no handler for an event of the type {event_type:?}{misfit}")]
    NoHandler { event_type: String, misfit: String },
}

/// The event of this body, as ingest would make it, if there is a handler for it.
pub(super) fn event(
    body: &str,
    endpoint: &EndpointName,
    handlers: Handlers,
) -> Result<Event, NoSmoke> {
    let parsed = envelope::parse(body.as_bytes())?;
    if handlers.for_payload(&parsed.payload).is_none() {
        return Err(NoSmoke::NoHandler {
            misfit: misfit(&parsed.payload),
            event_type: parsed.event_type,
        });
    }
    let Parsed {
        event_type,
        agent_id,
        session_id,
        occurred_at,
        payload,
        ..
    } = parsed;
    Ok(Event {
        id: EventId::generate(),
        endpoint: endpoint.clone(),
        event_type,
        agent_id,
        session_id,
        occurred_at,
        received_at: UnixMicros::now(),
        test_header: false,
        body: Bytes::copy_from_slice(body.as_bytes()),
        payload,
    })
}

fn misfit(payload: &Payload) -> String {
    match payload {
        Payload::Misfit(misfit) => format!(
            " that doesn't fit its record: {}: {}",
            misfit.path, misfit.message
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = r#"{"event_type":"chat.push","agent_id":"A","timestamp":1.5,"data":{"role":"user","message":"hi","session_id":"s","timestamp":1.5}}"#;

    fn chat_push() -> Handlers {
        Handlers {
            chat_push: true,
            ..Handlers::default()
        }
    }

    fn read(body: &str, handlers: Handlers) -> Result<Event, String> {
        let endpoint = EndpointName::default_endpoint();
        event(body, &endpoint, handlers).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_body_is_read_as_ingest_reads_it() {
        let event = read(CHAT, chat_push()).expect("it is one");
        assert_eq!(event.event_type, "chat.push");
        assert_eq!(event.session_id.as_deref(), Some("s"));
        assert!(matches!(event.payload, Payload::ChatPush(_)));
        assert_eq!(event.body, CHAT.as_bytes());
    }

    #[test]
    fn an_event_without_a_handler_is_refused_by_its_type() {
        let said = read(r#"{"event_type":"order.paid"}"#, chat_push()).expect_err("no handler");
        assert!(said.contains("\"order.paid\""), "{said}");
        let body = r#"{"event_type":"chat.push","data":{}}"#;
        let said = read(body, chat_push()).expect_err("it doesn't fit");
        assert!(said.contains("doesn't fit its record"), "{said}");
        let any = Handlers {
            event: true,
            ..Handlers::default()
        };
        assert!(read(body, any).is_ok());
    }
}
