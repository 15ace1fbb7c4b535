//! Sends what handlers queued.
//!
//! ```text
//! journal ──▶ bell ──▶ sender ──▶ attempt ──▶ outbound ──▶ the other side
//! requests    wakes    which,     grant,      one
//! committed            fairly     headers,    exchange
//!    ▲                            outcome
//!    └──────── sent, again later, or dead ◀───┘
//! ```
//!
//! The store is the queue: memory holds what is in flight, and for each plugin
//! the moment of its next request. [`schedule`] gives each plugin with due
//! requests its turn and a bounded share, so one with many requests to a dead
//! host delays nobody else. [`retry`] decides what follows from an answer.
//!
//! A request is sent at least once: its outcome is stored after the answer, and a
//! crash in between repeats it, with the same [`key`].

mod attempt;
mod bell;
pub mod key;
mod message;
pub mod retry;
pub mod schedule;
mod sender;
mod stats;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use bell::Bell;
pub use sender::Sender;
pub use stats::{Stats, Totals};

use crate::outbound::Grants;
use crate::types::PluginKey;
use retry::RetryPolicy;

/// What a plugin may send at present; `None` while it isn't loaded.
pub type GrantsOf = Arc<dyn Fn(&PluginKey) -> Option<Arc<Grants>> + Send + Sync>;

/// How much is sent at once, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Requests of one plugin in flight at once.
    pub per_plugin: usize,
    /// Requests in flight at once.
    pub total: usize,
    /// When a request is sent again.
    pub retry: RetryPolicy,
    /// How often the store is looked at without being told to: the clock may have
    /// jumped.
    pub relook: Duration,
    /// How often a plugin that isn't loaded is looked at.
    pub relook_unloaded: Duration,
    /// How long the end of an answer's body is waited for.
    pub body: Duration,
    /// How long a stop waits for requests in flight.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            per_plugin: 4,
            total: 32,
            retry: RetryPolicy::default(),
            relook: Duration::from_secs(30),
            relook_unloaded: Duration::from_secs(1),
            body: Duration::from_secs(2),
            grace: Duration::from_secs(10),
        }
    }
}
