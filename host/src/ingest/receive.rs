//! Takes a request's body in: bounded in size and in time.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::Bounds;
use super::problem::Problem;

/// Up to here a body that is too large is read and thrown away before the
/// answer: many clients don't look for one before they have sent everything.
const DRAIN: usize = 16 << 20;
/// A body that grows beyond this takes one of [`LARGE_AT_ONCE`] places. What
/// counts is what has come in, not what was announced: nobody is authenticated
/// yet, and who announces much and sends nothing must not hold a place.
const LARGE: usize = 64 << 10;
/// How many large bodies may be in memory. More wait for a place as long as a
/// body may take: thousands of connections that each send the most that is
/// taken would need more memory than there is. The provider's bodies are far
/// smaller and never wait.
pub(super) const LARGE_AT_ONCE: usize = 256;

/// How much of a content type is named that isn't taken.
const LONGEST_TYPE: usize = 100;

/// A body, and its place among the large ones for as long as it is needed.
pub(super) struct Received<'s> {
    pub(super) body: Bytes,
    pub(super) place: Option<SemaphorePermit<'s>>,
}

/// The whole body, within the bounds. The rest of a large body gets the time for
/// a body once more.
pub(super) async fn body<'s>(
    headers: &HeaderMap,
    body: Body,
    bounds: Bounds,
    large: &'s Semaphore,
) -> Result<Received<'s>, Problem> {
    let limit = bounds.max_body;
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > limit {
        // With `Expect` the client asks before it sends.
        if !headers.contains_key(header::EXPECT) {
            drain(body, bounds).await;
        }
        return Err(Problem::TooLarge { limit });
    }
    let mut incoming = Incoming {
        body,
        bytes: Vec::new(),
        declared,
        limit,
        ended: false,
    };
    within(bounds.body_timeout, incoming.read_beyond(LARGE)).await?;
    let mut place = None;
    if incoming.bytes.len() > LARGE {
        let free = timeout(bounds.body_timeout, large.acquire()).await;
        let free = free.map_err(|_| Problem::Overloaded)?;
        place = Some(free.map_err(|_| Problem::Overloaded)?);
        within(bounds.body_timeout, incoming.read_beyond(limit)).await?;
    }
    Ok(Received {
        body: incoming.bytes.into_boxed_slice().into(),
        place,
    })
}

/// A body that comes in. It is copied out of the connection's buffer: an event
/// that waits would keep all of that in memory.
struct Incoming {
    body: Body,
    bytes: Vec<u8>,
    declared: usize,
    limit: usize,
    ended: bool,
}

impl Incoming {
    /// Reads until there are more than `size` bytes, or to the end.
    async fn read_beyond(&mut self, size: usize) -> Result<(), Problem> {
        while !self.ended && self.bytes.len() <= size {
            let frame = match self.body.frame().await {
                Some(frame) => frame.map_err(|error| Problem::Incomplete(error.to_string()))?,
                None => {
                    self.ended = true;
                    break;
                }
            };
            // Trailers say nothing about the event.
            if let Some(data) = frame.data_ref() {
                self.take(data, size)?;
            }
            // Known without another look where the length was declared.
            self.ended = self.body.is_end_stream();
        }
        Ok(())
    }

    fn take(&mut self, data: &[u8], size: usize) -> Result<(), Problem> {
        let length = self.bytes.len() + data.len();
        if length > self.limit {
            return Err(Problem::TooLarge { limit: self.limit });
        }
        // Room for what was declared, but not yet for much that may never come.
        let room = self.declared.min(size).max(length);
        if room > self.bytes.capacity() && self.declared >= length {
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

/// Runs `read` for at most `bound`. Nearly every body is there with its head, and
/// the connection hands it over when this task runs next: that needs no timer.
async fn within(
    bound: Duration,
    read: impl Future<Output = Result<(), Problem>>,
) -> Result<(), Problem> {
    let mut read = pin!(read);
    let mut looked = false;
    let at_once = poll_fn(|context| match read.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if looked => Poll::Ready(None),
        Poll::Pending => {
            looked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    });
    if let Some(done) = at_once.await {
        return done;
    }
    timeout(bound, read).await.unwrap_or(Err(Problem::Timeout {
        seconds: bound.as_secs(),
    }))
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
    // Named in the answer and the log, so not in all its length.
    Err(Problem::ContentType {
        found: found.chars().take(LONGEST_TYPE).collect(),
    })
}

#[cfg(test)]
mod tests {
    use futures_util::stream::{self, StreamExt as _};

    use super::*;

    /// With one place for large bodies.
    struct Bench {
        headers: HeaderMap,
        bounds: Bounds,
        large: Semaphore,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                headers: HeaderMap::new(),
                bounds: Bounds {
                    body_timeout: Duration::from_millis(1),
                    ..Bounds::default()
                },
                large: Semaphore::new(1),
            }
        }

        async fn receive(&self, sent: Body) -> Result<Received<'_>, Problem> {
            body(&self.headers, sent, self.bounds, &self.large).await
        }
    }

    /// Of a size that isn't declared; after the pieces it ends or stalls.
    fn chunked(pieces: &[usize], ends: bool) -> Body {
        let pieces: Vec<_> = pieces.iter().map(|size| vec![b' '; *size]).collect();
        let stall = stream::pending().take(usize::from(!ends));
        Body::from_stream(stream::iter(pieces).chain(stall).map(Ok::<_, axum::Error>))
    }

    #[tokio::test]
    async fn only_large_bodies_wait_for_a_place() {
        let bench = Bench::new();
        let sized = |size: usize| Body::from(vec![b' '; size]);
        for large in [sized(LARGE + 1), chunked(&[LARGE, 1], true)] {
            let first = bench.receive(large).await.expect("a free place");
            assert!(first.place.is_some());
            let second = bench.receive(sized(LARGE + 1)).await;
            assert!(matches!(second, Err(Problem::Overloaded)));
            for small in [sized(LARGE), chunked(&[9, LARGE - 9], true)] {
                let small = bench.receive(small).await.expect("no place needed");
                assert_eq!(small.body.len(), LARGE);
            }
        }
    }

    #[tokio::test]
    async fn who_sends_little_and_stalls_holds_no_place() {
        let mut bench = Bench::new();
        bench.bounds.body_timeout = Duration::from_secs(60);
        let mut stalled = pin!(bench.receive(chunked(&[10, LARGE - 10], false)));
        for _ in 0..5 {
            let looked = poll_fn(|context| Poll::Ready(stalled.as_mut().poll(context)));
            assert!(looked.await.is_pending());
        }
        assert_eq!(bench.large.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_put_together_up_to_the_limit() {
        let mut bench = Bench::new();
        bench.bounds.max_body = LARGE + 2;
        for (pieces, fits) in [
            (&[LARGE + 2][..], true),
            (&[LARGE + 3], false),
            (&[1, 0, LARGE, 1], true),
            (&[1, 0, LARGE, 1, 1], false),
            (&[], true),
        ] {
            let received = bench.receive(chunked(pieces, true)).await;
            let size = received.map(|received| received.body.len());
            assert_eq!(size.is_ok(), fits, "{pieces:?}: {size:?}");
            if let Ok(size) = size {
                assert_eq!(size, pieces.iter().sum::<usize>());
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_given_up_small_or_large() {
        let bench = Bench::new();
        for sent in [5, LARGE + 5] {
            let received = bench.receive(chunked(&[sent], false)).await;
            assert!(matches!(received, Err(Problem::Timeout { .. })), "{sent}");
        }
        assert_eq!(bench.large.available_permits(), 1);
    }

    #[test]
    fn a_long_content_type_is_named_in_part() {
        let mut headers = HeaderMap::new();
        let long = "x".repeat(10_000);
        headers.insert(header::CONTENT_TYPE, long.parse().expect("a value"));
        let problem = content_type(&headers).expect_err("not JSON");
        assert!(problem.to_string().len() < 250, "{problem}");
    }
}
