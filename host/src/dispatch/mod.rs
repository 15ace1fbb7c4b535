//! Which plugin, in which order, when again.
//!
//! The journal feeds deliveries in as they are committed ([`Inbox::feed`]).
//! One task, the [`actor`], tells the [`scheduler`] what happens and starts what
//! it says. The scheduler has a [`slot`] for each plugin, with the [`lane`]s of its
//! deliveries, and gives endpoints and plugins their [`turns`], as far as the
//! [`Limits`] let it. An attempt [`run`]s in the sandbox, on the handlers' own
//! threads; its end becomes a decision ([`retry`]) that the journal stores
//! ([`outcome`]), and then the lane goes on.
//!
//! The store is the queue: a lane holds at most [`lane::CAPACITY`] deliveries and
//! [`lane::MAX_BYTES`] of bodies in memory. What comes in beyond that is read back
//! in pages when there is room, just as after a start. What waits behind the first
//! delivery of one session has a share of that, so that a session that stands still
//! keeps no other from memory.
//!
//! Not every attempt counts. One that meets an entry that another has changed is
//! made again, and entries that are fought over have their users queue up
//! ([`contention`]). A plugin whose attempts all fail is paused ([`breaker`]). A new
//! version whose first attempts trap is replaced by the one before it
//! ([`probation`], [`versions`]).

mod actor;
mod backlog;
pub mod breaker;
pub mod contention;
mod handle;
mod handler;
pub mod job;
mod keep;
pub mod lane;
pub mod now;
mod outcome;
mod paused;
mod pools;
mod probation;
mod record;
pub mod retry;
mod rollbacks;
mod run;
mod scheduler;
mod slot;
mod smoke;
mod stats;
mod threads;
mod ticket;
mod turns;
mod unhandled;
mod versions;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use breaker::BreakerPolicy;
pub use handle::{Dispatcher, Inbox};
pub use paused::{BreakerState, BreakerStatus};
pub use probation::RollbackPolicy;
pub use retry::RetryPolicy;
pub use rollbacks::Rollback;
pub use stats::{Stats, Totals};
pub use versions::Content;

use crate::journal::{KeyValue, Queue};
use crate::outbound::Grants;
use crate::sandbox::{AttemptLimits, Program};
use crate::types::Given;

/// A version of a plugin, ready to run.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// What tells versions apart: the beginning of the content's hash.
    pub version: String,
    /// All of that hash.
    pub content: Content,
    /// The linked code.
    pub program: Arc<Program>,
    /// The plugin's `[config]`.
    pub config: Arc<BTreeMap<String, String>>,
    /// The plugin's `[secrets]`.
    pub secrets: Arc<Given>,
    /// What an attempt may use.
    pub limits: AttemptLimits,
    /// How many attempts may run at once.
    pub concurrency: usize,
    /// Whether events of one session run one at a time, in order.
    pub ordered: bool,
    /// What it may send.
    pub grants: Arc<Grants>,
    /// When its deliveries are tried again, and when they are given up.
    pub retry: RetryPolicy,
    /// When it is paused.
    pub breaker: BreakerPolicy,
    /// When it is replaced by the version before it.
    pub rollback: RollbackPolicy,
}

/// What dispatch needs of the journal.
pub trait Store: Queue + KeyValue {}

impl<T: Queue + KeyValue> Store for T {}

/// How much may run at once, over all plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts in all.
    pub attempts: usize,
    /// Attempts of one endpoint.
    pub attempts_per_endpoint: usize,
    /// The sum of the memory limits of running attempts, in bytes.
    pub memory_budget: u64,
    /// How long a stop waits for running attempts.
    pub drain: Duration,
}
