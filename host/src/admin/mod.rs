//! The operator's listener: health, metrics, API.
//!
//! On loopback it needs no token, so two things guard it there: it isn't
//! reachable from other machines, and it answers only requests that name this
//! machine itself in `Host`. A web page that makes its own name point to
//! 127.0.0.1 is stopped by that. With a token, everything but `/healthz` and
//! `/readyz` needs it. What changes something also needs a content type that no
//! page can send to another site without asking first, and an `Origin`, where
//! there is one, that is the listener itself.

mod api;
mod guard;
mod metrics;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use crate::ingest::health::{self, Readiness};
use crate::ingest::problem::Problem;
use crate::ingest::stats::Stats;
use crate::journal::{Inspect, Operate};
use crate::types::{EndpointName, PluginName, Redactor, Secret};

pub use metrics::Page;

/// What the listener shows of the plugins.
pub trait PluginsView: Send + Sync + 'static {
    /// Each plugin, its state and what is known about it, as a JSON object.
    fn plugins(&self) -> Vec<serde_json::Value>;

    /// The endpoints that have a plugin of this name.
    fn find(&self, name: &PluginName) -> Vec<(EndpointName, Presence)>;
}

/// Whether a plugin that is there takes deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It does, at the latest once it is loaded.
    Installed,
    /// Its manifest turns it off.
    Disabled,
}

/// More metrics than the listener's own: adds them to the page.
pub type MoreMetrics = Arc<dyn Fn(&mut Page) + Send + Sync>;

/// What the listener works with.
#[derive(Clone)]
pub struct Admin {
    /// Events and deliveries.
    pub journal: Arc<dyn Inspect>,
    /// Has things done again.
    pub operate: Arc<dyn Operate>,
    /// The plugins.
    pub plugins: Arc<dyn PluginsView>,
    /// For `/readyz`.
    pub readiness: Readiness,
    /// What ingest counts.
    pub stats: Arc<Stats>,
    /// What clients must know; nothing on loopback only.
    pub token: Option<Secret>,
    /// Takes the secrets of plugins out of answers.
    pub redactor: Redactor,
    /// What others count.
    pub more_metrics: Vec<MoreMetrics>,
}

/// The listener's routes.
pub fn router(admin: Admin) -> Router {
    let only_get = async || Problem::MethodNotAllowed { allow: "GET" };
    let readiness = admin.readiness.clone();
    let guard = Arc::new(admin.token.clone());
    let admin = Arc::new(admin);
    let guarded = Router::new()
        .route("/metrics", get(metrics::page).fallback(only_get))
        .merge(api::routes())
        .fallback(async || Problem::NoSuch("page here".to_owned()))
        .layer(from_fn_with_state(guard, guard::guard))
        .with_state(admin);
    // Health stays outside: probes have neither token nor name.
    health::router(readiness).merge(guarded)
}
