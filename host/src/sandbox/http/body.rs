//! An answer's body, as far as it may go.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Frame};
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

use super::exchange::Slot;
use super::refused::{Refused, Told};
use crate::outbound::client::Live;

/// Ends at the limit, or when nothing comes; the connection and its slot are free
/// as soon as it ends.
pub(super) struct Body {
    open: Option<(Live, Slot)>,
    left: usize,
    limit: usize,
    between: Duration,
    pause: Pin<Box<Sleep>>,
    told: Told,
}

impl Body {
    pub(super) fn new(live: Live, slot: Slot, limit: usize, between: Duration, told: Told) -> Self {
        Self {
            open: Some((live, slot)),
            left: limit,
            limit,
            between,
            pause: Box::pin(sleep(between)),
            told,
        }
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Refused>>> {
        let Some((live, _)) = &mut self.open else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = Pin::new(live).poll_frame(context) else {
            ready!(self.pause.as_mut().poll(context));
            return Poll::Ready(Some(Err(Refused::Stalled(self.between))));
        };
        self.pause.as_mut().reset(Instant::now() + self.between);
        Poll::Ready(match frame {
            None => None,
            Some(Err(error)) => Some(Err(Refused::BrokenOff(error))),
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match self.left.checked_sub(bytes) {
                    None => Some(Err(Refused::ResponseBody(self.limit))),
                    Some(left) => {
                        self.left = left;
                        Some(Ok(frame))
                    }
                }
            }
        })
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let next = ready!(self.poll_next(context));
        if !matches!(next, Some(Ok(_))) {
            self.open = None;
        }
        Poll::Ready(next.map(|next| {
            next.map_err(|refused| {
                self.told.tell(&refused);
                refused.into()
            })
        }))
    }
}
