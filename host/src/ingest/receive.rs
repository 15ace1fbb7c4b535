//! Takes a request's body in: bounded in size and in time.

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::Bounds;
use super::problem::Problem;

/// Up to here a body that is too large is read and thrown away before the
/// answer: many clients don't look for one before they have sent everything.
const DRAIN: usize = 16 << 20;
/// Bodies above this size, or of an unknown one, take one of
/// [`LARGE_AT_ONCE`] places.
const LARGE: u64 = 64 << 10;
/// How many large bodies may be in memory. More wait for a place as long as a
/// body may take: thousands of connections that each send the most that is
/// taken would need more memory than there is. The provider's bodies are far
/// smaller and never wait.
pub(super) const LARGE_AT_ONCE: usize = 256;

/// A body, and its place among the large ones for as long as it is needed.
pub(super) struct Received<'s> {
    pub(super) body: Bytes,
    _place: Option<SemaphorePermit<'s>>,
}

/// The whole body, within the bounds.
pub(super) async fn body<'s>(
    headers: &HeaderMap,
    body: Body,
    bounds: Bounds,
    large: &'s Semaphore,
) -> Result<Received<'s>, Problem> {
    let limit = bounds.max_body;
    let declared = body.size_hint().lower();
    if usize::try_from(declared).map_or(true, |declared| declared > limit) {
        // With `Expect` the client asks before it sends.
        if !headers.contains_key(header::EXPECT) {
            drain(body, bounds).await;
        }
        return Err(Problem::TooLarge { limit });
    }
    let small = body.size_hint().upper().is_some_and(|most| most <= LARGE);
    let place = if small {
        None
    } else {
        let place = timeout(bounds.body_timeout, large.acquire()).await;
        let place = place.map_err(|_| Problem::Overloaded)?;
        Some(place.map_err(|_| Problem::Overloaded)?)
    };
    let whole = timeout(bounds.body_timeout, Limited::new(body, limit).collect()).await;
    match whole {
        Ok(Ok(collected)) => Ok(Received {
            body: collected.to_bytes(),
            _place: place,
        }),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn only_large_bodies_wait_for_a_place() {
        let bounds = Bounds {
            body_timeout: Duration::from_millis(1),
            ..Bounds::default()
        };
        let headers = HeaderMap::new();
        let large = Semaphore::new(1);
        let sized = |size: u64| {
            let bytes = usize::try_from(size).expect("a small number");
            body(&headers, Body::from(vec![b' '; bytes]), bounds, &large)
        };
        let first = sized(LARGE + 1).await.expect("a free place");
        assert!(matches!(sized(LARGE + 1).await, Err(Problem::Overloaded)));
        let small = sized(LARGE).await.expect("no place needed");
        assert_eq!(small.body.len() as u64, LARGE);
        drop(first);
        assert!(sized(LARGE + 1).await.is_ok());
    }
}
