//! A panic of the host while it serves an attempt ends that attempt and nothing
//! else.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// What the future returns, or the text of its panic. The future isn't polled
/// again after a panic, so nobody sees what it left half done.
pub(super) async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(text_of(&*panic))),
        },
    )
    .await
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a text").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_after_a_wait_becomes_its_text() {
        let fails = async {
            tokio::task::yield_now().await;
            panic!("slot {} is gone", 7);
        };
        assert_eq!(caught(fails).await, Err::<(), _>("slot 7 is gone".into()));
    }

    #[tokio::test]
    async fn what_doesnt_panic_returns() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
    }
}
