//! The journal's traits: each call is sent to the writer or to one of the
//! readers.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::SqliteJournal;
use super::apply::{Op, Outcome, Value};
use super::clean::Step;
use super::query::{self, Which};
use super::totals::Totals;
use super::writer::Request;
use crate::journal::{
    Appended, AttemptRecord, Counter, Counts, DeliveryFilter, DeliveryRecord, EventFilter,
    EventRecord, Finish, Inspect, Installed, Intake, JournalError, Keep, KeyValue, NewEvent,
    Operate, Outbox, OutboxFilter, OutboxFinish, OutboxPage, OutboxRecord, PendingPage, Queue,
    Replay, Replayed, Retried, Roster, Upkeep,
};
use crate::types::effects::{KvEntry, KvPage, KvSnapshot};
use crate::types::{DeliveryId, EventId, EventSeq, OutboxId, PluginKey, StoredEvent, UnixMicros};

impl SqliteJournal {
    async fn write(&self, op: Op) -> Result<Value, JournalError> {
        let (reply, answer) = oneshot::channel();
        self.writes
            .send(Request::Do(op, reply))
            .await
            .map_err(|_| JournalError::Closed)?;
        answer.await.unwrap_or_else(|_| {
            Err(JournalError::Unconfirmed(
                "the journal's thread ended".into(),
            ))
        })
    }

    async fn steps(&self, first: Step) -> Result<u64, JournalError> {
        let mut events = 0;
        let mut next = Some(first);
        while let Some(step) = next {
            match self.write(Op::Clean(step)).await? {
                Value::Cleaned(cleaned) => {
                    events += cleaned.events;
                    next = cleaned.next;
                }
                other => return Err(mixed_up(&other)),
            }
        }
        Ok(events)
    }

    async fn retried(&self, op: Op) -> Result<Retried, JournalError> {
        match self.write(op).await? {
            Value::Retried(retried) => Ok(retried),
            other => Err(mixed_up(&other)),
        }
    }
}

#[async_trait]
impl Intake for SqliteJournal {
    async fn append(&self, event: NewEvent) -> Result<Appended, JournalError> {
        match self.write(Op::Append(event)).await? {
            Value::Appended(appended) => Ok(appended),
            other => Err(mixed_up(&other)),
        }
    }
}

#[async_trait]
impl Queue for SqliteJournal {
    async fn finish(&self, finish: Finish) -> Result<(), JournalError> {
        let outcome = Outcome::new(finish)
            .map_err(|error| JournalError::Unconfirmed(format!("the log isn't text: {error}")))?;
        self.write(Op::Finish(Box::new(outcome))).await.map(drop)
    }

    async fn pending(
        &self,
        plugin: PluginKey,
        after: DeliveryId,
        limit: usize,
    ) -> Result<PendingPage, JournalError> {
        self.pages
            .ask(move |conn| query::pending(conn, &plugin, Which::Routed, after, limit))
            .await
    }

    async fn pending_manual(
        &self,
        plugin: PluginKey,
        after: DeliveryId,
        limit: usize,
    ) -> Result<PendingPage, JournalError> {
        self.pages
            .ask(move |conn| query::pending(conn, &plugin, Which::Manual, after, limit))
            .await
    }
}

#[async_trait]
impl KeyValue for SqliteJournal {
    async fn kv_open(&self, plugin: &PluginKey) -> Result<KvSnapshot, JournalError> {
        let plugin = plugin.clone();
        self.entries
            .ask(move |conn| query::kv_open(conn, &plugin))
            .await
    }

    async fn kv_get(
        &self,
        plugin: &PluginKey,
        bucket: &str,
        keys: Vec<String>,
    ) -> Result<Vec<Option<KvEntry>>, JournalError> {
        let (plugin, bucket) = (plugin.clone(), bucket.to_owned());
        self.entries
            .ask(move |conn| query::kv_get(conn, &plugin, &bucket, &keys))
            .await
    }

    async fn kv_list(
        &self,
        plugin: &PluginKey,
        bucket: &str,
        after: Option<String>,
    ) -> Result<KvPage, JournalError> {
        let (plugin, bucket) = (plugin.clone(), bucket.to_owned());
        self.entries
            .ask(move |conn| query::kv_list(conn, &plugin, &bucket, after.as_deref()))
            .await
    }
}

#[async_trait]
impl Outbox for SqliteJournal {
    async fn outbox_plugins(&self) -> Result<Vec<(PluginKey, UnixMicros)>, JournalError> {
        self.pages.ask(query::outbox_plugins).await
    }

    async fn outbox_due(
        &self,
        plugin: PluginKey,
        now: UnixMicros,
        known: Vec<OutboxId>,
        limit: usize,
    ) -> Result<OutboxPage, JournalError> {
        self.pages
            .ask(move |conn| query::outbox_due(conn, &plugin, now, &known, limit))
            .await
    }

    async fn outbox_finish(&self, finish: OutboxFinish) -> Result<(), JournalError> {
        self.write(Op::OutboxFinish(finish)).await.map(drop)
    }
}

#[async_trait]
impl Roster for SqliteJournal {
    async fn install(&self, plugin: Installed) -> Result<(), JournalError> {
        self.write(Op::Install(plugin)).await.map(drop)
    }

    async fn uninstall(&self, plugin: PluginKey) -> Result<(), JournalError> {
        self.write(Op::Uninstall(plugin)).await.map(drop)
    }

    async fn installed(&self) -> Result<Vec<Installed>, JournalError> {
        match self.write(Op::Installed).await? {
            Value::Installed(list) => Ok(list),
            other => Err(mixed_up(&other)),
        }
    }
}

#[async_trait]
impl Inspect for SqliteJournal {
    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, JournalError> {
        self.views.ask(move |conn| query::event(conn, id)).await
    }

    async fn events(
        &self,
        filter: EventFilter,
        limit: usize,
    ) -> Result<Vec<EventRecord>, JournalError> {
        self.views
            .ask(move |conn| query::events(conn, &filter, limit))
            .await
    }

    async fn deliveries(
        &self,
        filter: DeliveryFilter,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        self.views
            .ask(move |conn| query::deliveries(conn, &filter, limit))
            .await
    }

    async fn attempts(
        &self,
        delivery: DeliveryId,
    ) -> Result<Option<Vec<AttemptRecord>>, JournalError> {
        self.views
            .ask(move |conn| query::attempts(conn, delivery))
            .await
    }

    async fn outbox(
        &self,
        filter: OutboxFilter,
        limit: usize,
    ) -> Result<Vec<OutboxRecord>, JournalError> {
        self.views
            .ask(move |conn| query::outbox(conn, &filter, limit))
            .await
    }

    async fn counters(&self, plugin: PluginKey) -> Result<Vec<Counter>, JournalError> {
        self.views
            .ask(move |conn| query::counters(conn, &plugin))
            .await
    }

    async fn counts(&self) -> Result<Counts, JournalError> {
        // Metrics don't wait for someone who looks through all events.
        self.pages
            .ask(|conn| Totals::load(conn).map(Counts::from))
            .await
    }
}

#[async_trait]
impl Operate for SqliteJournal {
    async fn retry(&self, delivery: DeliveryId) -> Result<Retried, JournalError> {
        self.retried(Op::Retry(delivery)).await
    }

    async fn retry_dead(
        &self,
        plugin: PluginKey,
        after: DeliveryId,
    ) -> Result<Replayed<DeliveryId>, JournalError> {
        match self.write(Op::RetryDead(plugin, after)).await? {
            Value::RetriedDead(step) => Ok(step),
            other => Err(mixed_up(&other)),
        }
    }

    async fn replay(&self, replay: Replay) -> Result<Replayed<EventSeq>, JournalError> {
        let plugin = replay.plugin.clone();
        let found = self
            .views
            .ask(move |conn| query::replayed(conn, &replay))
            .await?;
        let deliveries = match found.events.is_empty() {
            true => 0,
            false => match self.write(Op::Replay(plugin, found.events)).await? {
                Value::Added(deliveries) => deliveries,
                other => return Err(mixed_up(&other)),
            },
        };
        Ok(Replayed {
            deliveries,
            seen: found.seen,
            next: found.next,
        })
    }

    async fn outbox_retry(&self, request: OutboxId) -> Result<Retried, JournalError> {
        self.retried(Op::OutboxRetry(request)).await
    }
}

#[async_trait]
impl Upkeep for SqliteJournal {
    async fn clean(&self, keep: Keep) -> Result<u64, JournalError> {
        self.steps(Step::Parked).await?;
        let old = Step::Old {
            before: keep.since,
            after: 0,
        };
        let mut removed = self.steps(old).await?;
        self.steps(Step::Keys).await?;
        if let Some(bytes) = keep.bytes {
            removed += self.steps(Step::Large { bytes, after: 0 }).await?;
        }
        self.steps(Step::Pages).await?;
        Ok(removed)
    }

    async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        let (reply, closed) = oneshot::channel();
        if self.writes.send(Request::Close(reply)).await.is_ok() {
            let _ = closed.await;
        } else {
            // Someone else is closing it: wait until the writer has ended.
            self.writes.closed().await;
        }
    }
}

/// The writer answered another question than was asked: a fault of this module.
fn mixed_up(value: &Value) -> JournalError {
    debug_assert!(false, "unexpected answer {value:?}");
    JournalError::Unconfirmed("the journal's thread gave an answer of another kind".into())
}
