//! Plugins: the list, and from a name in a request to the plugin that is meant.

use axum::extract::State;
use serde::Serialize;

use super::Shared;
use super::shown::Shown;
use crate::admin::{Admin, Presence};
use crate::ingest::problem::Problem;
use crate::types::{EndpointName, PluginKey, PluginName};

#[derive(Serialize)]
pub(super) struct Plugins {
    plugins: Vec<serde_json::Value>,
}

pub(super) async fn list(State(admin): State<Shared>) -> Shown<Plugins> {
    let plugins = admin.plugins.plugins();
    Shown::new(&admin, Plugins { plugins })
}

/// The plugin that is meant, for reading: one that isn't installed any more may
/// still have a history. Without an endpoint it is the one that has a plugin of
/// this name, else the default one.
pub(super) fn key(
    admin: &Admin,
    endpoint: Option<EndpointName>,
    plugin: PluginName,
) -> Result<PluginKey, Problem> {
    if let Some(endpoint) = endpoint {
        return Ok(PluginKey { endpoint, plugin });
    }
    let mut found = admin.plugins.find(&plugin).into_iter();
    let (first, second) = (found.next(), found.next());
    match (first, second) {
        (Some((one, _)), Some((other, _))) => Err(Problem::BadRequest(format!(
            "there is a plugin {plugin} at the endpoint {one} and at {other}: say which with `endpoint` (`--endpoint`)"
        ))),
        (first, _) => Ok(PluginKey {
            endpoint: first.map_or_else(EndpointName::default_endpoint, |(endpoint, _)| endpoint),
            plugin,
        }),
    }
}

/// An optional plugin of a filter. An endpoint alone filters nothing there.
pub(super) fn optional_key(
    admin: &Admin,
    endpoint: Option<EndpointName>,
    plugin: Option<PluginName>,
) -> Result<Option<PluginKey>, Problem> {
    match (endpoint, plugin) {
        (endpoint, Some(plugin)) => key(admin, endpoint, plugin).map(Some),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Problem::BadRequest(
            "`endpoint` goes with `plugin`: name both".to_owned(),
        )),
    }
}

/// The plugin that is meant, to deliver to: it must be on the list.
pub(super) fn installed(
    admin: &Admin,
    endpoint: Option<EndpointName>,
    plugin: PluginName,
) -> Result<PluginKey, Problem> {
    let key = key(admin, endpoint, plugin)?;
    let found = admin.plugins.find(&key.plugin);
    let here = found.iter().find(|(endpoint, _)| *endpoint == key.endpoint);
    match here {
        Some((_, Presence::Installed)) => Ok(key),
        Some((_, Presence::Disabled)) => Err(Problem::Refused(format!(
            "the plugin {} is disabled: its manifest must enable it first",
            key.plugin
        ))),
        None => match admin.readiness.reason() {
            // It may be one that wasn't found yet.
            Some(reason) => Err(Problem::NotReady(reason)),
            None => Err(Problem::NoSuch(format!(
                "plugin {} at the endpoint {}",
                key.plugin, key.endpoint
            ))),
        },
    }
}
