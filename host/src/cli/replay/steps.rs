//! Makes the deliveries, one bounded step of the host after the other.

use serde_json::{Value, json};

use super::Wanted;
use super::progress::Progress;
use crate::cli::operator::interrupt::Interrupt;
use crate::cli::operator::{Api, ClientError, OperatorError, Query, note};

/// What was made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Made {
    /// Events looked at.
    pub(super) seen: u64,
    /// Deliveries made.
    pub(super) deliveries: u64,
    /// Where to go on, if it was stopped.
    pub(super) next: Option<i64>,
}

/// Makes the deliveries until there are no more events, or Ctrl-C. Events that
/// come in meanwhile are not among them: the plugin gets these anyway.
pub(super) fn make(
    api: &impl Api,
    wanted: &Wanted,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Made, OperatorError> {
    let mut made = Made::default();
    let newest = api.get("/api/events", &Query::from([("limit", "1".to_owned())]))?;
    let Some(through) = newest["events"][0]["seq"].as_i64() else {
        return Ok(made);
    };
    let mut body = body(wanted, through);
    let mut after = wanted.after;
    loop {
        body["after"] = json!(after);
        let step = api.post("/api/replay", &body).inspect_err(|error| {
            progress.end();
            // A first step that is refused has done nothing: there is nothing to go on with.
            if after == wanted.after && matches!(error, ClientError::Refused { .. }) {
                return;
            }
            note(&format!(
                "{} deliveries were made before this; --after {after} goes on (events right after that number may have been delivered by the step that failed)",
                made.deliveries
            ));
        })?;
        made.seen += step["seen"].as_u64().unwrap_or(0);
        made.deliveries += step["deliveries"].as_u64().unwrap_or(0);
        progress.show(&format!(
            "{} events seen, {} deliveries made",
            made.seen, made.deliveries
        ));
        match step["next"].as_i64() {
            // A place that doesn't move would never end.
            Some(next) if next > after => after = next,
            _ => break,
        }
        if interrupt.is_set() {
            made.next = Some(after);
            break;
        }
    }
    progress.end();
    Ok(made)
}

fn body(wanted: &Wanted, through: i64) -> Value {
    let mut body = json!({
        "plugin": wanted.plugin,
        "types": wanted.types,
        "through": through,
    });
    if let Some(endpoint) = &wanted.endpoint {
        body["endpoint"] = json!(endpoint);
    }
    if let Some(since) = wanted.since {
        body["since"] = json!(since);
    }
    if let Some(until) = wanted.until {
        body["until"] = json!(until);
    }
    body
}
