//! Requests of the outbox.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use super::shown::Shown;
use super::{Shared, filter, page, plugins, store};
use crate::ingest::problem::Problem;
use crate::journal::{OutboxFilter, OutboxRecord, OutboxState};
use crate::types::{DeliveryId, EndpointName, OutboxId, PluginName};

#[derive(Serialize)]
pub(super) struct Requests {
    requests: Vec<OutboxRecord>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    state: Option<OutboxState>,
    endpoint: Option<EndpointName>,
    plugin: Option<PluginName>,
    delivery: Option<DeliveryId>,
    before: Option<OutboxId>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(admin): State<Shared>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Shown<Requests>, Problem> {
    let asked = filter(query)?;
    let wanted = OutboxFilter {
        plugin: plugins::optional_key(&admin, asked.endpoint, asked.plugin)?,
        delivery: asked.delivery,
        state: asked.state,
        before: asked.before,
    };
    let requests = admin.journal.outbox(wanted, page(asked.limit)).await;
    let requests = requests.map_err(store)?;
    Ok(Shown::new(&admin, Requests { requests }))
}
