//! Which plugin, in which order, when again.
//!
//! The journal feeds deliveries in as they are committed ([`Inbox::feed`]).
//! One task, the [`actor`], owns a [`lane::Lane`] for each plugin and starts
//! attempts from them in turn, as far as the [`Limits`] let it. An attempt runs
//! in the sandbox, on the handlers' own threads; its outcome becomes a decision
//! ([`retry`]) that the journal stores, and then the lane goes on.
//!
//! The store is the queue: a lane holds at most [`lane::CAPACITY`] deliveries and
//! [`lane::MAX_BYTES`] of bodies in memory. What comes in beyond that is read back in pages when there is room,
//! just as after a start.

mod actor;
mod backlog;
mod handle;
mod keep;
pub mod lane;
mod pools;
pub mod retry;
mod run;
mod stats;
mod threads;
mod ticket;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use handle::{Dispatcher, Inbox};
pub use stats::{Stats, Totals};

use crate::journal::{KeyValue, Queue};
use crate::outbound::Grants;
use crate::sandbox::{AttemptLimits, Program};

/// A version of a plugin, ready to run.
#[derive(Debug)]
pub struct Plugin {
    /// What tells versions apart: the beginning of the content's hash.
    pub version: String,
    /// The linked code.
    pub program: Program,
    /// The plugin's `[config]`.
    pub config: Arc<BTreeMap<String, String>>,
    /// What an attempt may use.
    pub limits: AttemptLimits,
    /// How many attempts may run at once.
    pub concurrency: usize,
    /// Whether events of one session run one at a time, in order.
    pub ordered: bool,
    /// What it may send.
    pub grants: Arc<Grants>,
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
