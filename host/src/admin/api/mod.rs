//! `/api`: what is stored and installed, as JSON, and what can be done again.
//!
//! One file for each kind of thing; here what they share. A list is never bare:
//! what else there is to say about it can stand beside it.

mod body;
mod counters;
mod deliveries;
mod events;
mod operate;
mod outbox;
mod plugins;
mod shown;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::routing::{MethodRouter, get, post};

use super::Admin;
use crate::ingest::problem::Problem;
use crate::journal::JournalError;

/// A page of a list, unless asked for less or more.
const PAGE: usize = 100;
/// The most at once, so that no read takes long.
const LARGEST_PAGE: usize = 1000;

type Shared = Arc<Admin>;

/// The routes below `/api`.
pub(super) fn routes() -> Router<Shared> {
    let read = |route: MethodRouter<Shared>| {
        route.fallback(async || Problem::MethodNotAllowed { allow: "GET" })
    };
    let change = |route: MethodRouter<Shared>| {
        route.fallback(async || Problem::MethodNotAllowed { allow: "POST" })
    };
    Router::new()
        .route("/api/plugins", read(get(plugins::list)))
        .route("/api/counts", read(get(counters::counts)))
        .route("/api/counters", read(get(counters::list)))
        .route("/api/events", read(get(events::list)))
        .route("/api/events/{id}", read(get(events::one)))
        .route("/api/deliveries", read(get(deliveries::list)))
        .route("/api/deliveries/{id}", read(get(deliveries::one)))
        .route("/api/outbox", read(get(outbox::list)))
        .route(
            "/api/deliveries/{id}/retry",
            change(post(operate::retry_delivery)),
        )
        .route(
            "/api/outbox/{id}/retry",
            change(post(operate::retry_request)),
        )
        .route("/api/retry", change(post(operate::retry_dead)))
        .route("/api/replay", change(post(operate::replay)))
}

/// The filter of a list, or what is wrong with it.
fn filter<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    let Query(filter) = query.map_err(|error| Problem::BadRequest(error.body_text()))?;
    Ok(filter)
}

fn page(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE).min(LARGEST_PAGE)
}

type Id = Result<Path<String>, PathRejection>;

/// The id in a path.
fn text(id: Id) -> Result<String, Problem> {
    let Path(id) = id.map_err(|error| Problem::BadRequest(error.body_text()))?;
    Ok(id)
}

/// A number from a path.
fn number(id: Id, what: &str) -> Result<i64, Problem> {
    let text = text(id)?;
    text.parse()
        .map_err(|_| Problem::BadRequest(format!("{text:?} isn't {what}'s id, which is a number")))
}

fn store(error: JournalError) -> Problem {
    Problem::Store(error)
}
