//! Events.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Id, Shared, filter, page, store, text};
use crate::ingest::problem::Problem;
use crate::journal::{EventFilter, EventRecord};
use crate::types::{EndpointName, EventId, EventSeq};

#[derive(Serialize)]
pub(super) struct Events {
    events: Vec<EventRecord>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    endpoint: Option<EndpointName>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    before: Option<EventSeq>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(admin): State<Shared>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Events>, Problem> {
    let asked = filter(query)?;
    let wanted = EventFilter {
        endpoint: asked.endpoint,
        event_type: asked.event_type,
        before: asked.before,
    };
    let events = admin.journal.events(wanted, page(asked.limit)).await;
    Ok(Json(Events {
        events: events.map_err(store)?,
    }))
}

#[derive(Serialize)]
pub(super) struct EventView {
    id: EventId,
    seq: i64,
    endpoint: EndpointName,
    event_type: String,
    agent_id: Option<String>,
    session_id: Option<String>,
    occurred_at: Option<f64>,
    received_at: f64,
    test_header: bool,
    /// As it was sent.
    body: Box<RawValue>,
}

pub(super) async fn one(State(admin): State<Shared>, id: Id) -> Result<Json<EventView>, Problem> {
    let id = text(id)?;
    let wanted: EventId = id
        .parse()
        .map_err(|_| Problem::BadRequest(format!("{id:?} isn't an event's id, which is a UUID")))?;
    let stored = admin
        .journal
        .event(wanted)
        .await
        .map_err(store)?
        .ok_or_else(|| Problem::NoSuch(format!("event {wanted}")))?;
    let event = &stored.event;
    let body = String::from_utf8_lossy(&event.body).into_owned();
    let body = RawValue::from_string(body)
        .map_err(|error| Problem::BadRequest(format!("the stored body isn't JSON: {error}")))?;
    Ok(Json(EventView {
        id: event.id,
        seq: stored.seq.0,
        endpoint: event.endpoint.clone(),
        event_type: event.event_type.clone(),
        agent_id: event.agent_id.clone(),
        session_id: event.session_id.clone(),
        occurred_at: event.occurred_at,
        received_at: event.received_at.as_seconds(),
        test_header: event.test_header,
        body,
    }))
}
