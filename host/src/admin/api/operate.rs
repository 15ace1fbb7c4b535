//! What an operator has done again. A long job is many requests, one for each
//! step of a few hundred: who asks sees how far it is, can stop between two
//! steps, and goes on where the last answer says.

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};

use super::{Id, Shared, body, number, plugins, store};
use crate::ingest::problem::Problem;
use crate::journal::{Replay, Replayed, Retried};
use crate::types::{DeliveryId, EndpointName, EventSeq, OutboxId, PluginName, UnixMicros};

/// The answer to one thing that is pending again.
#[derive(Serialize)]
pub(super) struct Again {
    state: Retried,
}

/// The answer to a step.
#[derive(Serialize)]
pub(super) struct Step<Place> {
    /// How many deliveries it made, or made pending again.
    deliveries: u64,
    /// How many events or deliveries it looked at.
    seen: u64,
    /// The `after` of the next step; null at the end.
    next: Option<Place>,
}

impl<Place> From<Replayed<Place>> for Step<Place> {
    fn from(step: Replayed<Place>) -> Self {
        Self {
            deliveries: step.deliveries,
            seen: step.seen,
            next: step.next,
        }
    }
}

pub(super) async fn retry_delivery(
    State(admin): State<Shared>,
    id: Id,
) -> Result<Json<Again>, Problem> {
    let id = DeliveryId(number(id, "a delivery")?);
    let retried = admin.operate.retry(id).await.map_err(store)?;
    again(retried, &format!("delivery {id}"))
}

pub(super) async fn retry_request(
    State(admin): State<Shared>,
    id: Id,
) -> Result<Json<Again>, Problem> {
    let id = OutboxId(number(id, "a request")?);
    let retried = admin.operate.outbox_retry(id).await.map_err(store)?;
    again(retried, &format!("request {id} in the outbox"))
}

fn again(state: Retried, what: &str) -> Result<Json<Again>, Problem> {
    match state {
        Retried::Pending => Ok(Json(Again { state })),
        Retried::NotDead => Err(Problem::Refused(format!(
            "{what} isn't dead: only what was given up is run again"
        ))),
        Retried::Unknown => Err(Problem::NoSuch(what.to_owned())),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryDead {
    endpoint: Option<EndpointName>,
    plugin: PluginName,
    after: Option<DeliveryId>,
}

pub(super) async fn retry_dead(
    State(admin): State<Shared>,
    request: Request,
) -> Result<Json<Step<DeliveryId>>, Problem> {
    let asked: RetryDead = body::read(request).await?;
    let key = plugins::installed(&admin, asked.endpoint, asked.plugin)?;
    let after = asked.after.unwrap_or(DeliveryId(0));
    let step = admin.operate.retry_dead(key, after).await;
    Ok(Json(step.map_err(store)?.into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    endpoint: Option<EndpointName>,
    plugin: PluginName,
    since: Option<UnixMicros>,
    until: Option<UnixMicros>,
    #[serde(default)]
    types: Vec<String>,
    after: Option<EventSeq>,
    through: Option<EventSeq>,
}

pub(super) async fn replay(
    State(admin): State<Shared>,
    request: Request,
) -> Result<Json<Step<EventSeq>>, Problem> {
    let asked: Wanted = body::read(request).await?;
    if let (Some(since), Some(until)) = (asked.since, asked.until)
        && since >= until
    {
        return Err(Problem::BadRequest(
            "`until` isn't after `since`: no event lies between them".to_owned(),
        ));
    }
    let wanted = Replay {
        plugin: plugins::installed(&admin, asked.endpoint, asked.plugin)?,
        since: asked.since,
        until: asked.until,
        types: asked.types,
        after: asked.after.unwrap_or(EventSeq(0)),
        through: asked.through,
    };
    let step = admin.operate.replay(wanted).await;
    Ok(Json(step.map_err(store)?.into()))
}
