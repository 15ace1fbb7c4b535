//! `/healthz` (the process answers) and `/readyz` (it handles events), on both
//! listeners.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::problem::Problem;

/// Whether the host is ready, shared between whoever sets it and the listeners.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<Option<String>>>);

impl Readiness {
    /// Not ready yet, because of `reason`.
    #[must_use]
    pub fn waiting(reason: &str) -> Self {
        Self(Arc::new(Mutex::new(Some(reason.to_owned()))))
    }

    /// Ready from now on.
    pub fn ready(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Not ready from now on, because of `reason`.
    pub fn not_ready(&self, reason: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    /// Why it isn't ready; nothing if it is.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The two routes.
pub(crate) fn router(readiness: Readiness) -> Router {
    let only_get = async || Problem::MethodNotAllowed { allow: "GET" };
    let ready = async move || match readiness.reason() {
        None => ok(),
        Some(reason) => Problem::NotReady(reason).into_response(),
    };
    Router::new()
        .route("/healthz", get(async || ok()).fallback(only_get))
        .route("/readyz", get(ready).fallback(only_get))
}

/// The answer of every success: the body is fixed, byte for byte.
pub(crate) fn ok() -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        r#"{"status":"ok"}"#,
    )
        .into_response()
}
