//! An accepted webhook.

use std::sync::Arc;

use bytes::Bytes;

use super::{EndpointName, EventId, EventSeq, Payload, UnixMicros};

/// An event as it lies in the journal, shared between its deliveries.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// Its place in the journal.
    pub seq: EventSeq,
    /// Its content and what is known about it.
    pub event: Arc<Event>,
}

/// An event that has passed ingest's checks.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its public id.
    pub id: EventId,
    /// The endpoint that it came in at.
    pub endpoint: EndpointName,
    /// `event_type` or `event` of the body.
    pub event_type: String,
    /// The agent that it is about, if the body names one.
    pub agent_id: Option<String>,
    /// The conversation that it belongs to (`data.session_id`), if any.
    pub session_id: Option<String>,
    /// When it happened by the sender's clock, Unix seconds.
    pub occurred_at: Option<f64>,
    /// When it came in by the host's clock.
    pub received_at: UnixMicros,
    /// Whether the request carried `X-Test-Webhook`. Recorded; changes nothing.
    pub test_header: bool,
    /// The body, byte for byte. Valid UTF-8: ingest has checked.
    pub body: Bytes,
    /// The content, decoded.
    pub payload: Payload,
}
