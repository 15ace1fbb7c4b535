//! The one thread that writes: takes what waits, commits it together, answers.

use std::path::PathBuf;
use std::sync::PoisonError;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::apply::{News, Op, State, Value};
use super::checkpoint::{self, Care, Checkpointer};
use super::error::{self, Failure, classify};
use super::lock::FolderLock;
use super::lots::{Lot, Lots};
use super::reader::Slot;
use super::schema::{open_helper, open_writer};
use super::{OpenError, Tuning, log_file, log_path};
use crate::crash;
use crate::journal::{Feed, FeedItem, JournalError, JournalOptions};

/// Commits between two looks at the log's size.
const LOOK_EVERY: u32 = 8;

/// Where a request's answer goes.
pub(super) type Reply = oneshot::Sender<Result<Value, JournalError>>;

/// What waits in the writer's channel.
#[derive(Debug)]
pub(super) enum Request {
    /// A write and where to answer.
    Do(Op, Reply),
    /// Do what came before, then end.
    Close(oneshot::Sender<()>),
}

/// Everything that the writer thread owns.
pub(super) struct Writer {
    pub(super) file: PathBuf,
    pub(super) options: JournalOptions,
    pub(super) tuning: Tuning,
    pub(super) feed: Feed,
    pub(super) conn: Connection,
    pub(super) state: State,
    pub(super) checkpointer: Checkpointer,
    /// Those of the readers.
    pub(super) slots: [Slot; 3],
    pub(super) fatal: watch::Sender<Option<String>>,
    pub(super) lock: FolderLock,
    /// The connection or the state in memory can't be trusted any more.
    pub(super) broken: bool,
}

type Answers = Vec<Result<Value, JournalError>>;

impl Writer {
    /// Runs until it is closed, all senders are gone, or the disk can't be used
    /// any more.
    pub(super) fn run(mut self, requests: mpsc::Receiver<Request>) {
        let mut lots = Lots::new(requests);
        let mut commits = 0;
        while let Some(lot) = lots.next() {
            if !lot.is_empty()
                && let Err(error) = self.batch(lot)
            {
                self.give_up(&error, lots);
                return;
            }
            commits += 1;
            if commits % LOOK_EVERY == 0
                && let Err(error) = self.look_after_log()
            {
                self.give_up(&error, lots);
                return;
            }
        }
        self.end();
        for closer in lots.into_closers() {
            let _ = closer.send(());
        }
    }

    /// Commits a batch and answers it. Fails only if the engine can't go on.
    fn batch(&mut self, batch: Lot) -> Result<(), OpenError> {
        let (ops, replies): (Vec<Op>, Vec<Reply>) = batch.into_iter().unzip();
        let answers = match self.commit(&ops) {
            Ok(answers) => answers,
            Err(error) if !self.broken && classify(&error) == Failure::Request => {
                self.one_by_one(&ops)
            }
            Err(error) => ops.iter().map(|_| Err(error::answer(&error))).collect(),
        };
        for (reply, answer) in replies.into_iter().zip(answers) {
            // Whoever asked may have gone: what was asked is done all the same.
            let _ = reply.send(answer);
        }
        if self.broken { self.reopen() } else { Ok(()) }
    }

    /// One transaction; afterwards its news is announced. On an error
    /// nothing of it counts and the state in memory is as committed.
    fn commit(&mut self, ops: &[Op]) -> Result<Answers, rusqlite::Error> {
        let mut news = News::default();
        match self.transaction(ops, &mut news) {
            Ok(answers) => {
                for item in news.items() {
                    (self.feed)(item);
                }
                Ok(answers)
            }
            Err(error) => {
                if let Err(worse) = self.roll_back(&error) {
                    tracing::error!(error = %worse, "the journal's batch can't be taken back");
                    self.broken = true;
                }
                Err(error)
            }
        }
    }

    /// Back to what is committed, if that can be known.
    #[cold]
    fn roll_back(&mut self, error: &rusqlite::Error) -> Result<(), rusqlite::Error> {
        if !self.conn.is_autocommit() {
            self.conn.execute_batch("ROLLBACK")?;
        }
        if classify(error) == Failure::Disk {
            self.broken = true;
        } else {
            self.state = State::load(&self.conn, &self.options)?;
        }
        Ok(())
    }

    fn transaction(&mut self, ops: &[Op], news: &mut News) -> Result<Answers, rusqlite::Error> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let before = self.state.totals;
        let mut answers = Vec::with_capacity(ops.len());
        for op in ops {
            answers.push(self.state.apply(&self.conn, op, news)?);
        }
        if self.state.totals != before {
            self.state.totals.save(&self.conn)?;
        }
        self.state.dedupe.save(&self.conn, ops.len())?;
        ops.iter().for_each(|op| crash::point(crash_points(op).0));
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        ops.iter().for_each(|op| crash::point(crash_points(op).1));
        Ok(answers)
    }

    /// The slow way for a batch in which one request is at fault.
    #[cold]
    fn one_by_one(&mut self, ops: &[Op]) -> Answers {
        let mut answers = Vec::with_capacity(ops.len());
        for op in ops {
            if self.broken {
                answers.push(Err(JournalError::Unconfirmed(
                    "an earlier write of the batch failed".into(),
                )));
                continue;
            }
            answers.push(match self.commit(std::slice::from_ref(op)) {
                Ok(mut one) => one.pop().unwrap_or(Err(JournalError::Closed)),
                Err(error) => Err(error::answer(&error)),
            });
        }
        answers
    }

    /// Closes every connection and opens the file anew, as after a start.
    #[cold]
    fn reopen(&mut self) -> Result<(), OpenError> {
        tracing::error!("the disk did not confirm a write: reopening the journal");
        let slots: Vec<Slot> = self.all_slots().cloned().collect();
        // All at once, so that nobody holds on to what the log was before.
        let mut guards = Vec::new();
        for slot in &slots {
            let mut guard = slot.lock().unwrap_or_else(PoisonError::into_inner);
            *guard = None;
            guards.push(guard);
        }
        let sqlite = |source| OpenError::Sqlite {
            file: self.file.clone(),
            source,
        };
        self.conn = Connection::open_in_memory().map_err(sqlite)?;
        log_file::settle(&log_path(&self.file)).map_err(|source| OpenError::Folder {
            folder: self.file.clone(),
            source,
        })?;
        self.conn = open_writer(&self.file, &self.tuning)?;
        self.state = State::load(&self.conn, &self.options).map_err(sqlite)?;
        for guard in &mut guards {
            **guard = Some(open_helper(&self.file).map_err(sqlite)?);
        }
        self.checkpointer.reopened();
        drop(guards);
        self.broken = false;
        (self.feed)(FeedItem::Reread);
        Ok(())
    }

    /// The last resort: nothing more is accepted, and the host is told to end.
    #[cold]
    fn give_up(self, error: &OpenError, lots: Lots) {
        tracing::error!(%error, "the journal can't be reopened");
        for reply in lots.give_up() {
            let _ = reply.send(Err(JournalError::Closed));
        }
        self.fatal.send_replace(Some(error.to_string()));
    }

    /// Fails only if the engine can't go on.
    fn look_after_log(&mut self) -> Result<(), OpenError> {
        if self.checkpointer.failed() {
            return self.reopen();
        }
        let size = match checkpoint::log_size(&self.conn) {
            Ok(size) => size,
            Err(error) => {
                tracing::warn!(%error, "the journal's log can't be measured");
                return Ok(());
            }
        };
        let page = i64::from(self.tuning.page_size);
        let bound = self.tuning.log_bound;
        match checkpoint::care(size, page, bound, self.checkpointer.busy()) {
            Care::Leave => {}
            Care::Wake => self.checkpointer.wake(),
            // A pass of the thread may have failed since the look above: not on top of that.
            Care::Rest if self.checkpointer.failed() => return self.reopen(),
            Care::Rest => {
                if checkpoint::checked(checkpoint::pass(&self.conn)).is_err() {
                    return self.reopen();
                }
            }
        }
        Ok(())
    }

    /// Every connection but the writer's own.
    fn all_slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().chain([&self.checkpointer.slot])
    }

    /// Leaves a file without a log behind, and frees the folder.
    fn end(self) {
        for slot in self.all_slots() {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        let emptied = match self.checkpointer.failed() {
            // The next start copies all of it again.
            true => Ok(()),
            false => checkpoint::empty(&self.conn).map(drop),
        };
        if let Err(error) = emptied {
            tracing::warn!(%error, "the journal's log stays for the next start");
        }
        drop(self.checkpointer);
        drop(self.conn);
        drop(self.lock);
    }
}

/// Where a test may have the process die: before and after the commit.
fn crash_points(op: &Op) -> (&'static str, &'static str) {
    match op {
        Op::Append(_) => ("append-before", "append-after"),
        Op::Finish(_) => ("finish-before", "finish-after"),
        Op::OutboxFinish(_) => ("outbox-before", "outbox-after"),
        Op::Clean(_) => ("clean-before", "clean-after"),
        _ => ("other-before", "other-after"),
    }
}
