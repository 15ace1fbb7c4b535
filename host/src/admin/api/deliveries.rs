//! Deliveries and their attempts.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use super::shown::Shown;
use super::{Id, Shared, filter, number, page, plugins, store};
use crate::ingest::problem::Problem;
use crate::journal::{AttemptRecord, DeliveryFilter, DeliveryRecord, DeliveryState};
use crate::types::{DeliveryId, EndpointName, EventId, PluginName};

#[derive(Serialize)]
pub(super) struct Deliveries {
    deliveries: Vec<DeliveryRecord>,
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

pub(super) async fn list(
    State(admin): State<Shared>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Shown<Deliveries>, Problem> {
    let asked = filter(query)?;
    let wanted = DeliveryFilter {
        event: asked.event,
        plugin: plugins::optional_key(&admin, asked.endpoint, asked.plugin)?,
        state: asked.state,
        before: asked.before,
    };
    let deliveries = admin.journal.deliveries(wanted, page(asked.limit)).await;
    let deliveries = deliveries.map_err(store)?;
    Ok(Shown::new(&admin, Deliveries { deliveries }))
}

#[derive(Serialize)]
pub(super) struct Delivery {
    delivery: DeliveryRecord,
    attempts: Vec<AttemptRecord>,
}

pub(super) async fn one(State(admin): State<Shared>, id: Id) -> Result<Shown<Delivery>, Problem> {
    let id = DeliveryId(number(id, "a delivery")?);
    let missing = || Problem::NoSuch(format!("delivery {id}"));
    // The newest of those up to it is it, or it isn't there.
    let up_to = DeliveryFilter {
        before: Some(DeliveryId(id.0.saturating_add(1))),
        ..DeliveryFilter::default()
    };
    let found = admin.journal.deliveries(up_to, 1).await.map_err(store)?;
    let delivery = found
        .into_iter()
        .find(|delivery| delivery.id == id)
        .ok_or_else(missing)?;
    let attempts = admin.journal.attempts(id).await.map_err(store)?;
    let attempts = attempts.ok_or_else(missing)?;
    Ok(Shown::new(&admin, Delivery { delivery, attempts }))
}
