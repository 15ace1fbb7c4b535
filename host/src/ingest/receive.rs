//! Takes a request's body in: bounded in size and in time.

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;

use super::Bounds;
use super::problem::Problem;

/// Up to here a body that is too large is read and thrown away before the
/// answer: many clients don't look for one before they have sent everything.
const DRAIN: usize = 16 << 20;

/// The whole body.
pub(super) async fn body(
    headers: &HeaderMap,
    body: Body,
    bounds: Bounds,
) -> Result<Bytes, Problem> {
    let limit = bounds.max_body;
    let declared = body.size_hint().lower();
    if usize::try_from(declared).map_or(true, |declared| declared > limit) {
        // With `Expect` the client asks before it sends.
        if !headers.contains_key(header::EXPECT) {
            drain(body, bounds).await;
        }
        return Err(Problem::TooLarge { limit });
    }
    let whole = timeout(bounds.body_timeout, Limited::new(body, limit).collect()).await;
    match whole {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::TooLarge { limit }),
        Ok(Err(error)) => Err(Problem::Incomplete(error.to_string())),
        Err(_) => Err(Problem::Timeout {
            seconds: bounds.body_timeout.as_secs(),
        }),
    }
}

async fn drain(body: Body, bounds: Bounds) {
    let mut body = Limited::new(body, DRAIN);
    // Whatever ends it, the answer is the same.
    let _ = timeout(bounds.body_timeout, async {
        while let Some(Ok(_)) = body.frame().await {}
    })
    .await;
}

/// Only an explicit type other than JSON is refused.
pub(super) fn content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let found = String::from_utf8_lossy(value.as_bytes());
    let essence = found.split(';').next().unwrap_or_default().trim();
    let json = essence.is_empty()
        || essence.eq_ignore_ascii_case("application/json")
        || essence
            .rsplit_once('+')
            .is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"));
    if json {
        return Ok(());
    }
    Err(Problem::ContentType {
        found: found.into_owned(),
    })
}
