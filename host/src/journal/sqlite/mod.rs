//! The journal on one machine: SQLite in a folder of its own.
//!
//! ```text
//! append, finish, … ──▶ channel ──▶ writer: BEGIN … COMMIT (one fsync) ──▶ feed, answers
//! pending, kv_get, … ──▶ channel ──▶ readers: one page a statement
//!                                    checkpointer: log ──▶ file, beside the writer
//! ```
//!
//! The writer takes everything that waits in its channel and commits it
//! together, so the cost of a sync is shared by all who are waiting, and a
//! single event on an idle host is committed at once. What is heavy by itself
//! waits for the rest ([`lots`]). The channel is bounded:
//! who comes when it is full waits.

mod apply;
mod calls;
mod checkpoint;
mod clean;
mod dedupe;
pub mod doctor;
mod error;
mod lock;
mod log_file;
mod lots;
mod query;
mod reader;
mod route;
mod rows;
mod schema;
mod target;
mod totals;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::sync::{mpsc, watch};

use self::apply::State;
use self::checkpoint::Checkpointer;
pub use self::error::OpenError;
use self::lock::FolderLock;
use self::reader::{For, Reader};
use self::writer::{Request, Writer};
use super::{Feed, JournalOptions};

/// The database's name in the data folder.
const FILE: &str = "journal.sqlite";
/// Writes that may wait; who comes later waits to ask.
const QUEUE: usize = 1024;

/// A journal in a data folder, held by this process alone.
#[derive(Debug)]
pub struct SqliteJournal {
    writes: mpsc::Sender<Request>,
    /// Pages of what is pending, for dispatch and the sender.
    pages: Reader,
    /// What handlers read: they wait for it.
    entries: Reader,
    /// What people look at, and replays.
    views: Reader,
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
        let (pages, pages_slot) = Reader::start(&file, "journal-read", For::Host)?;
        let (entries, entries_slot) = Reader::start(&file, "journal-kv", For::Others)?;
        let (views, views_slot) = Reader::start(&file, "journal-view", For::Others)?;
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
            slots: [pages_slot, entries_slot, views_slot],
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
            pages,
            entries,
            views,
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
}

/// Where SQLite keeps a database's log.
fn log_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
