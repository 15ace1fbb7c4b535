//! The journal on one machine: SQLite in a folder of its own.
//!
//! ```text
//! append, finish, … ──▶ channel ──▶ writer: BEGIN … COMMIT (one fsync) ──▶ feed, answers
//! pending, event, … ──▶ channel ──▶ reader: one page a statement
//!                                   checkpointer: log ──▶ file, beside the writer
//! ```
//!
//! The writer takes everything that waits in its channel and commits it
//! together, so the cost of a sync is shared by all who are waiting, and a
//! single event on an idle host is committed at once. The channel is bounded:
//! who comes when it is full waits.

mod apply;
mod checkpoint;
mod clean;
mod dedupe;
pub mod doctor;
mod error;
mod lock;
mod log_file;
mod query;
mod reader;
mod route;
mod rows;
mod schema;
mod totals;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use self::apply::{Op, State, Value};
use self::checkpoint::Checkpointer;
use self::clean::{Cleaned, Step};
pub use self::error::OpenError;
use self::lock::FolderLock;
use self::reader::Reader;
use self::writer::{Request, Writer};
use super::{
    Appended, AttemptRecord, Counter, Counts, DeliveryFilter, DeliveryRecord, EventFilter,
    EventRecord, Feed, Finish, Inspect, Installed, Intake, JournalError, JournalOptions, Keep,
    KeyValue, NewEvent, Operate, Outbox, OutboxFilter, OutboxFinish, OutboxPage, OutboxRecord,
    PendingPage, Queue, Replay, Replayed, Retried, Roster, Upkeep,
};
use crate::types::effects::{KvEntry, KvPage, KvSnapshot};
use crate::types::{DeliveryId, EventId, EventSeq, OutboxId, PluginKey, StoredEvent, UnixMicros};

/// The database's name in the data folder.
const FILE: &str = "journal.sqlite";
/// Writes that may wait; who comes later waits to ask.
const QUEUE: usize = 1024;

/// A journal in a data folder, held by this process alone.
#[derive(Debug)]
pub struct SqliteJournal {
    writes: mpsc::Sender<Request>,
    reader: Reader,
    fatal: watch::Receiver<Option<String>>,
    /// Whether the writer's end was asked for.
    closing: AtomicBool,
}

/// For tests and the benchmark: what a host never changes.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Tuning {
    /// The page size of a new file.
    pub page_size: u32,
    /// Commits without syncing: shows that the power-loss test sees a loss.
    pub unsafe_no_sync: bool,
    /// About how many bytes the log may have.
    pub log_bound: i64,
    /// The file is full at this many pages.
    pub max_pages: Option<u32>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            page_size: schema::PAGE_SIZE,
            unsafe_no_sync: false,
            log_bound: checkpoint::LOG_BOUND,
            max_pages: None,
        }
    }
}

impl SqliteJournal {
    /// Opens the journal in `folder`, creating both if need be, and starts its
    /// threads. `feed` is called from the writer's thread.
    ///
    /// # Errors
    /// When another host uses the folder, or its file can't be read, is another
    /// program's or a newer version's.
    pub fn open(folder: &Path, options: JournalOptions, feed: Feed) -> Result<Self, OpenError> {
        Self::open_tuned(folder, options, Tuning::default(), feed)
    }

    /// As [`SqliteJournal::open`], for tests and the benchmark.
    #[doc(hidden)]
    pub fn open_tuned(
        folder: &Path,
        options: JournalOptions,
        mut tuning: Tuning,
        feed: Feed,
    ) -> Result<Self, OpenError> {
        let lock = FolderLock::take(folder)?;
        let file = folder.join(FILE);
        let sqlite = |source| OpenError::Sqlite {
            file: file.clone(),
            source,
        };
        log_file::settle(&log_path(&file)).map_err(|source| OpenError::Folder {
            folder: folder.into(),
            source,
        })?;
        let conn = schema::open_writer(&file, &tuning)?;
        tuning.page_size = conn
            .pragma_query_value(None, "page_size", |row| row.get(0))
            .map_err(sqlite)?;
        let state = State::load(&conn, &options).map_err(sqlite)?;
        let checkpointer = Checkpointer::start(&file)?;
        let (reader, slot) = Reader::start(&file)?;
        let (fatal, fatal_seen) = watch::channel(None);
        let (writes, requests) = mpsc::channel(QUEUE);
        let writer = Writer {
            file,
            options,
            tuning,
            feed,
            conn,
            state,
            checkpointer,
            reader: slot,
            fatal,
            lock,
            broken: false,
        };
        thread::Builder::new()
            .name("journal-write".into())
            .spawn(move || writer.run(requests))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            writes,
            reader,
            fatal: fatal_seen,
            closing: AtomicBool::new(false),
        })
    }

    /// Waits until the journal can't be used any more, and says why: the disk
    /// did not confirm a write and the file could not be reopened, or the writing
    /// thread has ended by itself. The host is to end with a failure then. Never
    /// returns on a journal that works or was closed.
    pub async fn fatal(&self) -> String {
        let mut fatal = self.fatal.clone();
        let reason = match fatal.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone(),
            Err(_) => None,
        };
        match reason {
            Some(reason) => reason,
            None if !self.closing.load(Ordering::Acquire) => {
                "the journal's writer has ended unexpectedly".to_owned()
            }
            None => std::future::pending().await,
        }
    }

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
            let Value::Cleaned(Cleaned {
                next: after,
                events: removed,
            }) = self.write(Op::Clean(step)).await?
            else {
                break;
            };
            events += removed;
            next = after;
        }
        Ok(events)
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
        self.write(Op::Finish(Box::new(finish))).await.map(drop)
    }

    async fn pending(
        &self,
        plugin: PluginKey,
        after: DeliveryId,
        limit: usize,
    ) -> Result<PendingPage, JournalError> {
        self.reader
            .ask(move |conn| query::pending(conn, &plugin, after, limit))
            .await
    }

    async fn pending_manual(
        &self,
        _: PluginKey,
        _: DeliveryId,
        _: usize,
    ) -> Result<PendingPage, JournalError> {
        Ok(PendingPage::default())
    }
}

#[async_trait]
impl KeyValue for SqliteJournal {
    async fn kv_open(&self, _: &PluginKey) -> Result<KvSnapshot, JournalError> {
        Err(JournalError::Closed)
    }

    async fn kv_get(
        &self,
        _: &PluginKey,
        _: &str,
        _: Vec<String>,
    ) -> Result<Vec<Option<KvEntry>>, JournalError> {
        Err(JournalError::Closed)
    }

    async fn kv_list(
        &self,
        _: &PluginKey,
        _: &str,
        _: Option<String>,
    ) -> Result<KvPage, JournalError> {
        Err(JournalError::Closed)
    }
}

#[async_trait]
impl Outbox for SqliteJournal {
    async fn outbox_plugins(&self) -> Result<Vec<(PluginKey, UnixMicros)>, JournalError> {
        Err(JournalError::Closed)
    }

    async fn outbox_due(
        &self,
        _: PluginKey,
        _: UnixMicros,
        _: Vec<OutboxId>,
        _: usize,
    ) -> Result<OutboxPage, JournalError> {
        Err(JournalError::Closed)
    }

    async fn outbox_finish(&self, _: OutboxFinish) -> Result<(), JournalError> {
        Err(JournalError::Closed)
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
        self.reader.ask(move |conn| query::event(conn, id)).await
    }

    async fn events(&self, _: EventFilter, _: usize) -> Result<Vec<EventRecord>, JournalError> {
        Err(JournalError::Closed)
    }

    async fn deliveries(
        &self,
        filter: DeliveryFilter,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        self.reader
            .ask(move |conn| query::deliveries(conn, &filter, limit))
            .await
    }

    async fn attempts(&self, _: DeliveryId) -> Result<Option<Vec<AttemptRecord>>, JournalError> {
        Err(JournalError::Closed)
    }

    async fn outbox(&self, _: OutboxFilter, _: usize) -> Result<Vec<OutboxRecord>, JournalError> {
        Err(JournalError::Closed)
    }

    async fn counters(&self, plugin: PluginKey) -> Result<Vec<Counter>, JournalError> {
        self.reader
            .ask(move |conn| query::counters(conn, &plugin))
            .await
    }

    async fn counts(&self) -> Result<Counts, JournalError> {
        self.reader
            .ask(|conn| totals::Totals::load(conn).map(Counts::from))
            .await
    }
}

#[async_trait]
impl Operate for SqliteJournal {
    async fn retry(&self, _: DeliveryId) -> Result<Retried, JournalError> {
        Err(JournalError::Closed)
    }

    async fn retry_dead(
        &self,
        _: PluginKey,
        _: DeliveryId,
    ) -> Result<Replayed<DeliveryId>, JournalError> {
        Err(JournalError::Closed)
    }

    async fn replay(&self, _: Replay) -> Result<Replayed<EventSeq>, JournalError> {
        Err(JournalError::Closed)
    }

    async fn outbox_retry(&self, _: OutboxId) -> Result<Retried, JournalError> {
        Err(JournalError::Closed)
    }
}

#[async_trait]
impl Upkeep for SqliteJournal {
    async fn clean(&self, keep: Keep) -> Result<u64, JournalError> {
        self.steps(Step::Parked).await?;
        let removed = self
            .steps(Step::Events {
                before: keep.since,
                after: 0,
            })
            .await?;
        self.steps(Step::Keys).await?;
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

/// Where SQLite keeps a database's log.
fn log_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// The writer answered another question than was asked: a fault of this module.
fn mixed_up(value: &Value) -> JournalError {
    debug_assert!(false, "unexpected answer {value:?}");
    JournalError::Unconfirmed("the journal's thread gave an answer of another kind".into())
}
