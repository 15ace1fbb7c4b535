//! HTTP in: authenticate, parse, store, answer.
//!
//! ```text
//! connection (serve) ─▶ route ─▶ receive: size, content type ─▶ auth ─▶ parse
//!                                     ─▶ Journal::append ─▶ 200 {"status":"ok"}
//! ```
//!
//! The provider sends an event once and never again, and a conversation waits
//! for the answer to `room.join`. So a request is refused as rarely as possible,
//! and nothing stands between its last byte and the append but the checks.
//! Every refusal is one variant of [`problem::Problem`].

pub mod auth;
pub mod health;
mod noise;
pub mod problem;
mod receive;
pub mod serve;
pub mod stats;
#[cfg(test)]
mod tests;
mod webhook;

pub use webhook::{DUPLICATE_OF, TEST_HEADER};

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use tokio::sync::Semaphore;

use crate::journal::Intake;
use crate::types::EndpointName;
use auth::Scheme;
use health::Readiness;
use problem::Problem;
use stats::Stats;

/// A URL path that events come in at.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its name in the journal.
    pub name: EndpointName,
    /// The URL's path.
    pub path: String,
    /// Who may post; everyone if empty.
    pub auth: Vec<Scheme>,
}

impl Endpoint {
    /// The endpoint `default` at `/webhook`.
    #[must_use]
    pub fn default_endpoint(auth: Vec<Scheme>) -> Self {
        Self {
            name: EndpointName::default_endpoint(),
            path: "/webhook".to_owned(),
            auth,
        }
    }
}

/// Bounds of the requests.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The largest body, in bytes.
    pub max_body: usize,
    /// How many requests may be between their first byte and their answer. More
    /// are answered 429, which loses their events: a last resort against running
    /// out of memory, far above what the disk is behind by.
    pub max_in_flight: usize,
    /// How long a body may take to come in.
    pub body_timeout: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_body: 1 << 20,
            max_in_flight: 8192,
            body_timeout: Duration::from_secs(10),
        }
    }
}

/// What the listener works with.
#[derive(Clone)]
pub struct Ingest {
    /// Where events are stored.
    pub journal: Arc<dyn Intake>,
    /// The paths. Each name and each path once.
    pub endpoints: Vec<Endpoint>,
    /// The bounds.
    pub bounds: Bounds,
    /// For `/readyz`.
    pub readiness: Readiness,
    /// What is counted.
    pub stats: Arc<Stats>,
}

/// The listener's routes: the endpoints, `/healthz` and `/readyz`.
pub fn router(ingest: Ingest) -> Router {
    let in_flight = Arc::new(Semaphore::new(
        ingest.bounds.max_in_flight.min(Semaphore::MAX_PERMITS),
    ));
    let large = Arc::new(Semaphore::new(receive::LARGE_AT_ONCE));
    // Of several, each is one customer's: nobody else is told.
    let where_to: Arc<str> = match &ingest.endpoints[..] {
        [only] => only.path[..].into(),
        _ => "the paths that are configured".into(),
    };
    let mut router = health::router(ingest.readiness);
    for endpoint in ingest.endpoints {
        let path = endpoint.path.clone();
        let state = Arc::new(webhook::State {
            endpoint,
            journal: Arc::clone(&ingest.journal),
            bounds: ingest.bounds,
            in_flight: Arc::clone(&in_flight),
            large: Arc::clone(&large),
            stats: Arc::clone(&ingest.stats),
            noise: noise::Noise::default(),
        });
        let route = post(webhook::handle)
            .fallback(async || Problem::MethodNotAllowed { allow: "POST" })
            .with_state(state);
        router = router.route(&path, route);
    }
    router.fallback(async move || Problem::NotFound(where_to))
}
