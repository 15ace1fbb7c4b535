//! What each request does to the file, inside the batch's transaction: one file
//! for each kind.

mod append;
mod attempts;
mod counters;
mod effects;
mod finish;
mod kv;
mod operate;
mod outbox;
mod owner;

use std::collections::BTreeSet;

use rusqlite::Connection;

pub(super) use self::attempts::shelve;
pub(super) use self::finish::Outcome;
pub(super) use self::outbox::release;
use super::clean::{self, Cleaned};
use super::dedupe::Dedupe;
use super::route::Routes;
use super::totals::Totals;
use crate::journal::{
    Appended, FeedItem, Installed, JournalError, JournalOptions, NewEvent, OutboxFinish, Replayed,
    Retried, Routed,
};
use crate::types::{DeliveryId, EventSeq, OutboxId, PluginKey, UnixMicros};

/// A write, as the writer thread gets it.
#[derive(Debug)]
pub(super) enum Op {
    /// Store an event.
    Append(NewEvent),
    /// Store an outcome with its effects.
    Finish(Box<Outcome>),
    /// Store what became of a request of the outbox.
    OutboxFinish(OutboxFinish),
    /// Put a plugin on the list.
    Install(Installed),
    /// Take a plugin off the list.
    Uninstall(PluginKey),
    /// Tell the list.
    Installed,
    /// Make a dead delivery pending.
    Retry(DeliveryId),
    /// Make some of a plugin's dead deliveries pending, those above the id.
    RetryDead(PluginKey, DeliveryId),
    /// Make deliveries of these events for a plugin.
    Replay(PluginKey, Vec<EventSeq>),
    /// Make a dead request of the outbox pending.
    OutboxRetry(OutboxId),
    /// One small step of cleaning up.
    Clean(clean::Step),
}

impl Op {
    /// Roughly how many bytes it adds to a transaction.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Append(new) => new.event.body.len() + 256,
            Self::Finish(outcome) => outcome.weight(),
            Self::Clean(_) | Self::RetryDead(..) | Self::Replay(..) => 64 * 1024,
            _ => 256,
        }
    }
}

/// What a write answers.
#[derive(Debug)]
pub(super) enum Value {
    Unit,
    Appended(Appended),
    Installed(Vec<Installed>),
    Retried(Retried),
    RetriedDead(Replayed<DeliveryId>),
    /// How many deliveries were made.
    Added(u64),
    Cleaned(Cleaned),
}

/// Why a request isn't done.
#[derive(Debug)]
pub(super) enum Halt {
    /// The file refused: the whole batch is taken back.
    Batch(rusqlite::Error),
    /// The request's own fault. It has written nothing.
    Refused(JournalError),
}

impl From<rusqlite::Error> for Halt {
    fn from(error: rusqlite::Error) -> Self {
        Self::Batch(error)
    }
}

/// What a batch is to announce once it is committed.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) routed: Vec<Routed>,
    manual: BTreeSet<PluginKey>,
    queued: bool,
}

impl News {
    /// In the order in which they are announced.
    pub(super) fn items(self) -> impl Iterator<Item = FeedItem> {
        let routed = (!self.routed.is_empty()).then_some(FeedItem::Routed(self.routed));
        routed
            .into_iter()
            .chain(self.manual.into_iter().map(FeedItem::Manual))
            .chain(self.queued.then_some(FeedItem::Queued))
    }
}

/// What the writer holds in memory of the file. Always as committed, except
/// inside a batch; after a failed one it is loaded again.
#[derive(Debug)]
pub(super) struct State {
    pub(super) routes: Routes,
    pub(super) totals: Totals,
    pub(super) dedupe: Dedupe,
    pub(super) options: JournalOptions,
}

impl State {
    /// Reads everything from the file.
    pub(super) fn load(
        conn: &Connection,
        options: &JournalOptions,
    ) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            routes: Routes::load(conn)?,
            totals: Totals::load(conn)?,
            dedupe: Dedupe::load(conn, options.longest_window())?,
            options: options.clone(),
        })
    }

    /// Does one request.
    ///
    /// The outer error fails the whole batch; the inner one is the request's own.
    pub(super) fn apply(
        &mut self,
        conn: &Connection,
        op: &Op,
        news: &mut News,
    ) -> Result<Result<Value, JournalError>, rusqlite::Error> {
        match self.try_apply(conn, op, news) {
            Ok(value) => Ok(Ok(value)),
            Err(Halt::Refused(why)) => Ok(Err(why)),
            Err(Halt::Batch(error)) => Err(error),
        }
    }

    fn try_apply(&mut self, conn: &Connection, op: &Op, news: &mut News) -> Result<Value, Halt> {
        let now = UnixMicros::now;
        Ok(match op {
            Op::Append(new) => Value::Appended(self.append(conn, new, &mut news.routed)?),
            Op::Finish(outcome) => {
                self.finish(conn, outcome, news)?;
                Value::Unit
            }
            Op::OutboxFinish(finish) => {
                self.outbox_finish(conn, finish)?;
                Value::Unit
            }
            Op::Install(plugin) => {
                self.routes.install(conn, plugin, now())?;
                Value::Unit
            }
            Op::Uninstall(key) => {
                self.routes.uninstall(conn, key, now())?;
                Value::Unit
            }
            Op::Installed => Value::Installed(self.routes.installed()),
            Op::Retry(delivery) => Value::Retried(self.retry(conn, *delivery, news)?),
            Op::RetryDead(plugin, after) => {
                Value::RetriedDead(self.retry_dead(conn, plugin, *after, news)?)
            }
            Op::Replay(plugin, events) => Value::Added(self.replay(conn, plugin, events, news)?),
            Op::OutboxRetry(request) => {
                Value::Retried(self.outbox_retry(conn, *request, now(), news)?)
            }
            Op::Clean(step) => Value::Cleaned(clean::run(conn, self, *step, now())?),
        })
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
