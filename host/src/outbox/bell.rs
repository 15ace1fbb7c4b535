//! Tells the sender that there may be something new in the store.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::journal::{Feed, FeedItem};

/// Wakes the sender. Ringing twice before it looks is one look.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// A feed that rings at news of the outbox and hands everything on to `next`.
    #[must_use]
    pub fn on(&self, next: Feed) -> Feed {
        let bell = self.clone();
        Arc::new(move |item| {
            if matches!(item, FeedItem::Queued | FeedItem::Reread) {
                bell.ring();
            }
            next(item);
        })
    }

    /// Rings.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    pub(super) async fn rung(&self) {
        self.0.notified().await;
    }
}
