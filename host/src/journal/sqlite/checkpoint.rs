//! Moving the log's pages into the database file, beside the writer.
//!
//! A passive pass copies what was committed before it began and holds nobody
//! up. But the log starts over only when a pass has reached its end at a moment
//! when nothing was being written, and under full load there is no such moment.
//! So the writer makes one: when the log is past its bound and the thread's
//! passes have left only a short rest, it does that rest itself between two
//! batches.
//!
//! SQLite syncs the database file only at the end of a pass that reaches the
//! log's end, for all passes since the last such one. When that sync fails,
//! pages of *earlier* passes may be lost, which SQLite takes for copied. So after
//! a failed pass nobody does another one until the writer has reopened the file:
//! then the whole log is copied again.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rusqlite::Connection;

use super::OpenError;
use super::error::{Failure, classify};
use super::reader::Slot;
use super::schema::open_helper;
use crate::crash;

/// The log is to start over when it is longer than this many bytes.
pub(super) const LOG_BOUND: i64 = 64 * 1024 * 1024;
/// A pass begins when this part of the bound has been written since the last
/// one: a page that is written again and again is then copied once.
const PASS_FROM: i64 = 4;
/// The longest rest that the writer copies itself, as a part of the bound.
const SHORT_REST: i64 = 12;
/// At this many times the bound the writer copies whatever rest there is: the
/// disk is slower than the load, and someone has to wait.
const LIMIT: i64 = 4;

/// How long the log is, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogSize {
    /// Pages in the log.
    pub(super) pages: i64,
    /// Pages of these that are in the database file too.
    pub(super) copied: i64,
}

/// What the writer is to do about the log between two batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// Nothing.
    Leave,
    /// Have the thread do a pass.
    Wake,
    /// Do the rest itself.
    Rest,
}

/// Decides about a log of this size that is to stay near `bound` bytes; `busy`
/// while the thread is doing a pass.
pub(super) fn care(size: LogSize, page: i64, bound: i64, busy: bool) -> Care {
    let all = size.pages * page;
    let rest = (size.pages - size.copied) * page;
    if rest == 0 {
        Care::Leave
    } else if all >= bound && !busy && (rest <= bound / SHORT_REST || all >= bound * LIMIT) {
        Care::Rest
    } else if rest >= bound / PASS_FROM || (all >= bound && !busy) {
        Care::Wake
    } else {
        Care::Leave
    }
}

/// The log's size, without doing anything about it.
pub(super) fn log_size(conn: &Connection) -> Result<LogSize, rusqlite::Error> {
    checkpoint(conn, "NOOP")
}

/// A pass that waits for nobody.
pub(super) fn pass(conn: &Connection) -> Result<LogSize, rusqlite::Error> {
    crash::point("checkpoint-before");
    checkpoint(conn, "PASSIVE").inspect(|_| crash::point("checkpoint-after"))
}

/// Empties the log; for the last connection before it closes.
pub(super) fn empty(conn: &Connection) -> Result<LogSize, rusqlite::Error> {
    crash::point("empty-before");
    checkpoint(conn, "TRUNCATE").inspect(|_| crash::point("empty-after"))
}

fn checkpoint(conn: &Connection, mode: &str) -> Result<LogSize, rusqlite::Error> {
    conn.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
        .query_row([], |row| {
            Ok(LogSize {
                pages: row.get(1)?,
                copied: row.get(2)?,
            })
        })
}

/// What the thread is doing, and what it is asked to do.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    wanted: bool,
    busy: bool,
    /// The disk failed in a pass: no more until the file is reopened.
    failed: bool,
    ended: bool,
}

/// The writer's handle to the thread.
#[derive(Debug)]
pub(super) struct Checkpointer {
    work: Arc<(Mutex<Work>, Condvar)>,
    thread: Option<thread::JoinHandle<()>>,
    /// The thread's connection.
    pub(super) slot: Slot,
}

impl Checkpointer {
    /// Starts the thread; it ends when this is dropped.
    pub(super) fn start(file: &Path) -> Result<Self, OpenError> {
        let conn = open_helper(file).map_err(|source| OpenError::Sqlite {
            file: file.into(),
            source,
        })?;
        let slot: Slot = Arc::new(Mutex::new(Some(conn)));
        let work = Arc::new((Mutex::new(Work::default()), Condvar::new()));
        let (own_slot, own_work) = (Arc::clone(&slot), Arc::clone(&work));
        let thread = thread::Builder::new()
            .name("journal-log".into())
            .spawn(move || run(&own_work, &own_slot))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            work,
            thread: Some(thread),
            slot,
        })
    }

    /// Asks for a pass.
    pub(super) fn wake(&self) {
        self.change(|work| work.wanted = true);
    }

    /// Whether a pass is wanted or running.
    pub(super) fn busy(&self) -> bool {
        let work = lock(&self.work.0);
        work.busy || work.wanted
    }

    /// Whether the disk has failed in a pass.
    pub(super) fn failed(&self) -> bool {
        lock(&self.work.0).failed
    }

    /// The file has been reopened: passes begin anew.
    pub(super) fn reopened(&self) {
        self.change(|work| work.failed = false);
    }

    fn change(&self, change: impl FnOnce(&mut Work)) {
        change(&mut lock(&self.work.0));
        self.work.1.notify_all();
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.change(|work| work.ended = true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The disk failed in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DiskFailed;

/// Says what went wrong in a pass. Only a failing disk is no passing trouble.
pub(super) fn checked(pass: Result<LogSize, rusqlite::Error>) -> Result<(), DiskFailed> {
    let Err(error) = pass else {
        return Ok(());
    };
    tracing::warn!(%error, "moving the journal's log into its file failed; it will be tried again");
    match classify(&error) {
        Failure::Disk => Err(DiskFailed),
        _ => Ok(()),
    }
}

fn run(work: &(Mutex<Work>, Condvar), slot: &Slot) {
    loop {
        let mut state = lock(&work.0);
        while !state.wanted && !state.ended {
            state = work.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.ended {
            return;
        }
        state.wanted = false;
        state.busy = true;
        drop(state);
        // Held until a failure is known: whoever closes the connections next has
        // to see it.
        let conn = lock(slot);
        let failed = lock(&work.0).failed;
        if let Some(conn) = conn.as_ref()
            && !failed
            && checked(pass(conn)).is_err()
        {
            lock(&work.0).failed = true;
        }
        drop(conn);
        lock(&work.0).busy = false;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: i64 = 1_000_000;

    fn cares(pages: i64, copied: i64, busy: bool) -> Care {
        care(LogSize { pages, copied }, 1000, BOUND, busy)
    }

    #[test]
    fn a_short_log_is_left_alone() {
        assert_eq!(cares(0, 0, false), Care::Leave);
        assert_eq!(cares(249, 0, false), Care::Leave);
        assert_eq!(cares(900, 700, false), Care::Leave);
        // Nothing to copy: the next write starts the log over.
        assert_eq!(cares(2000, 2000, false), Care::Leave);
    }

    #[test]
    fn the_thread_copies_what_has_gathered() {
        assert_eq!(cares(250, 0, false), Care::Wake);
        assert_eq!(cares(900, 650, true), Care::Wake);
        assert_eq!(cares(1000, 900, false), Care::Wake);
    }

    #[test]
    fn the_writer_copies_a_short_rest_of_a_long_log() {
        assert_eq!(cares(1000, 920, false), Care::Rest);
        assert_eq!(
            cares(1000, 920, true),
            Care::Leave,
            "not into a running pass"
        );
        assert_eq!(cares(4000, 0, false), Care::Rest, "too long to go on");
    }
}
