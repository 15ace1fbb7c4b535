//! One posted event: from its request to its answer.

use std::sync::Arc;
use std::time::Instant;

use axum::extract;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::noise::Noise;
use super::problem::Problem;
use super::stats::Stats;
use super::{Bounds, Endpoint, auth, health, receive};
use crate::journal::{Appended, Intake, NewEvent};
use crate::types::envelope::{self, Parsed};
use crate::types::event::Event;
use crate::types::{DedupeKey, EndpointName, EventId, UnixMicros};

/// In a request, by the dashboard's Test button. Recorded with the event; decides
/// nothing, since it isn't signed.
pub const TEST_HEADER: &str = "x-test-webhook";
/// In the answer to a duplicate: the id of the event that it repeats.
pub const DUPLICATE_OF: &str = "hookbox-duplicate-of";

pub(super) struct State {
    pub(super) endpoint: Endpoint,
    pub(super) journal: Arc<dyn Intake>,
    pub(super) bounds: Bounds,
    pub(super) in_flight: Arc<Semaphore>,
    pub(super) large: Arc<Semaphore>,
    pub(super) stats: Arc<Stats>,
    pub(super) noise: Noise,
}

/// Answers a request and counts it.
pub(super) async fn handle(
    extract::State(state): extract::State<Arc<State>>,
    request: extract::Request,
) -> Response {
    let start = Instant::now();
    let response = match accept(&state, request).await {
        Ok(response) => response,
        Err(problem) => {
            refused(&state, &problem);
            problem.into_response()
        }
    };
    state.stats.answered(start.elapsed());
    response
}

async fn accept(state: &State, request: extract::Request) -> Result<Response, Problem> {
    let _permit = state
        .in_flight
        .try_acquire()
        .map_err(|_| Problem::Overloaded)?;
    let (head, body) = request.into_parts();
    let received = receive::body(&head.headers, body, state.bounds, &state.large).await?;
    let new = check(state, &head.headers, received.body)?;
    // Before the wait for the disk: with the last piece of the head the connection
    // has its buffer back.
    drop(head);
    let answer = store(state, new).await;
    drop(received.place);
    answer
}

/// From a request to the event that it brings.
fn check(state: &State, headers: &HeaderMap, body: Bytes) -> Result<NewEvent, Problem> {
    receive::content_type(headers)?;
    let now = UnixMicros::now();
    let seconds = now.0.div_euclid(1_000_000);
    auth::check(&state.endpoint.auth, headers, &body, seconds)?;
    let parsed = envelope::parse(&body)?;
    let dedupe = dedupe_key(&parsed, &body);
    let test_header = headers.contains_key(TEST_HEADER);
    let event = event(&state.endpoint.name, parsed, body, now, test_header);
    Ok(NewEvent {
        event: Arc::new(event),
        dedupe,
    })
}

/// What makes a second event the same: the id in the body, else the body. A
/// test is always handled, or the Test button would work once a day.
fn dedupe_key(parsed: &Parsed, body: &[u8]) -> Option<DedupeKey> {
    if parsed.event_type == "test" {
        return None;
    }
    Some(match &parsed.delivery_id {
        Some(id) => DedupeKey::of_delivery_id(id),
        None => DedupeKey::of_body(body),
    })
}

fn event(
    endpoint: &EndpointName,
    parsed: Parsed,
    body: Bytes,
    received_at: UnixMicros,
    test_header: bool,
) -> Event {
    Event {
        id: EventId::at(received_at),
        endpoint: endpoint.clone(),
        event_type: parsed.event_type,
        agent_id: parsed.agent_id,
        session_id: parsed.session_id,
        occurred_at: parsed.occurred_at,
        received_at,
        test_header,
        body,
        payload: parsed.payload,
    }
}

/// Appends and answers. Where the client goes away meanwhile, this future is
/// dropped and the journal goes on with the append: its trait promises that.
async fn store(state: &State, new: NewEvent) -> Result<Response, Problem> {
    let event = Arc::clone(&new.event);
    let appended = state.journal.append(new).await?;
    let mut response = health::ok();
    match appended {
        Appended::Stored { seq, deliveries } => {
            state.stats.stored();
            tracing::debug!(
                event = %event.id, seq = seq.0, event_type = %shown(&event.event_type), deliveries,
                "event stored"
            );
        }
        Appended::Duplicate { of } => {
            state.stats.duplicate();
            tracing::info!(
                duplicate_of = %of, event_type = %shown(&event.event_type),
                endpoint = %event.endpoint,
                "the same event came in again and isn't handled twice"
            );
            if let Ok(id) = HeaderValue::from_str(&of.to_string()) {
                response.headers_mut().insert(DUPLICATE_OF, id);
            }
        }
    }
    Ok(response)
}

/// A text of the sender's for the log: it may be as long as a body, and hold line
/// ends and what acts on a terminal.
fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    let start: String = text.chars().take(LONGEST).collect();
    let cut = if start.len() < text.len() { "…" } else { "" };
    format!("{}{cut}", start.escape_debug())
}

fn refused(state: &State, problem: &Problem) {
    let (status, code) = problem.answer();
    state.stats.refused(code);
    let unauthorized = matches!(problem, Problem::Unauthorized(_));
    if let Some(left_out) = state.noise.line(unauthorized, Instant::now()) {
        tracing::warn!(
            endpoint = %state.endpoint.name, status = status.as_u16(), code, left_out,
            "request refused: {problem}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_senders_text_stays_on_its_line_of_the_log() {
        assert_eq!(shown("chat.push"), "chat.push");
        assert_eq!(
            shown("x\n2026 ERROR faked \u{1b}[2J\u{202e}"),
            "x\\n2026 ERROR faked \\u{1b}[2J\\u{202e}"
        );
        let long = shown(&"ä".repeat(1 << 20));
        assert_eq!((long.chars().count(), long.ends_with('…')), (65, true));
    }
}
