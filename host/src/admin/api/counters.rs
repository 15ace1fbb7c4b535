//! What plugins and the store count.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use super::shown::Shown;
use super::{Shared, filter, plugins, store};
use crate::ingest::problem::Problem;
use crate::journal::{Counter, Counts};
use crate::types::{EndpointName, PluginName};

#[derive(Serialize)]
pub(super) struct Counters {
    counters: Vec<Counter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    endpoint: Option<EndpointName>,
    plugin: PluginName,
}

pub(super) async fn list(
    State(admin): State<Shared>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Shown<Counters>, Problem> {
    let Filter { endpoint, plugin } = filter(query)?;
    let key = plugins::key(&admin, endpoint, plugin)?;
    let counters = admin.journal.counters(key).await.map_err(store)?;
    Ok(Shown::new(&admin, Counters { counters }))
}

pub(super) async fn counts(State(admin): State<Shared>) -> Result<Json<Counts>, Problem> {
    admin.journal.counts().await.map(Json).map_err(store)
}
