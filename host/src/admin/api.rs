//! `/api`: what is stored and installed, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Admin;
use crate::ingest::problem::Problem;
use crate::journal::{Counts, DeliveryFilter, DeliveryRecord, DeliveryState};
use crate::types::{DeliveryId, EndpointName, EventId, PluginKey, PluginName};

/// A page of deliveries, unless asked for less or more.
const PAGE: usize = 100;
/// The most at once, so that no read takes long.
const LARGEST_PAGE: usize = 1000;

// A list is never bare: what else there is to say about it can stand beside it.

#[derive(Serialize)]
pub(super) struct Plugins {
    plugins: Vec<serde_json::Value>,
}

#[derive(Serialize)]
pub(super) struct Deliveries {
    deliveries: Vec<DeliveryRecord>,
}

pub(super) async fn plugins(State(admin): State<Arc<Admin>>) -> Json<Plugins> {
    Json(Plugins {
        plugins: admin.plugins.plugins(),
    })
}

pub(super) async fn counts(State(admin): State<Arc<Admin>>) -> Result<Json<Counts>, Problem> {
    Ok(Json(admin.journal.counts().await?))
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

pub(super) async fn event(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> Result<Json<EventView>, Problem> {
    let wanted: EventId = id
        .parse()
        .map_err(|_| Problem::BadRequest(format!("{id:?} isn't an event's id, which is a UUID")))?;
    let stored = admin
        .journal
        .event(wanted)
        .await?
        .ok_or_else(|| Problem::NoSuch(format!("event {wanted}")))?;
    let event = &stored.event;
    let text = String::from_utf8_lossy(&event.body).into_owned();
    let body = RawValue::from_string(text)
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    state: Option<DeliveryState>,
    endpoint: Option<EndpointName>,
    plugin: Option<PluginName>,
    event: Option<EventId>,
    before: Option<DeliveryId>,
    limit: Option<usize>,
}

pub(super) async fn deliveries(
    State(admin): State<Arc<Admin>>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Deliveries>, Problem> {
    let Query(filter) = filter.map_err(|error| Problem::BadRequest(error.body_text()))?;
    let endpoint = filter
        .endpoint
        .unwrap_or_else(EndpointName::default_endpoint);
    let wanted = DeliveryFilter {
        event: filter.event,
        plugin: filter.plugin.map(|plugin| PluginKey { endpoint, plugin }),
        state: filter.state,
        before: filter.before,
    };
    let limit = filter.limit.unwrap_or(PAGE).min(LARGEST_PAGE);
    let deliveries = admin.journal.deliveries(wanted, limit).await?;
    Ok(Json(Deliveries { deliveries }))
}
