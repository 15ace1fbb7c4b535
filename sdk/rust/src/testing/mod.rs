//! Runs handlers natively, with a stand-in for the host.
//!
//! ```
//! use hookbox_sdk::prelude::*;
//! use hookbox_sdk::testing::Host;
//!
//! struct Greeter;
//! impl OnRoomJoin for Greeter {
//!     fn on_room_join(event: RoomJoin) -> Outcome {
//!         log::info!("{}, {}!", config::get_or("greeting", "Hello")?, event.room_name);
//!         Ok(())
//!     }
//! }
//!
//! let body = r#"{"event_type": "room.join", "agent_id": "A1", "timestamp": 1705312200.0,
//!     "data": {"room_name": "lobby", "participant_count": 2, "session_id": "s1"}}"#;
//! let run = Host::new().config("greeting", "Welcome").room_join::<Greeter>(body);
//!
//! assert_eq!(run.outcome, Ok(()));
//! assert_eq!(run.messages(), ["Welcome, lobby!"]);
//! ```
//!
//! Key-value, counters and the outbox work too. A `Host` keeps entries from one
//! run to the next, as the real one does from event to event, and keeps nothing of
//! a run that fails:
//!
//! ```
//! use hookbox_sdk::prelude::*;
//! use hookbox_sdk::testing::Host;
//!
//! let host = Host::new();
//! let count = || {
//!     counters::add("runs", 1);
//!     kv::Bucket::open("numbers")?.increment("n", 1)?;
//!     Ok(())
//! };
//! host.run(count);
//! host.run(count);
//!
//! assert_eq!(host.entry("numbers", "n"), Some(2));
//! assert_eq!(host.counter("runs"), 2);
//! ```
//!
//! Log lines, configuration and the rest belong to the test's own thread, so tests run
//! side by side. Lines that a handler logs from other threads aren't seen; in
//! wasm there are none.

mod body;
pub(crate) mod config;
pub(crate) mod counters;
mod effects;
pub(crate) mod http;
pub(crate) mod kv;
mod logs;
pub(crate) mod outbox;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use body::{chat_push, event, room_join};
pub use logs::LogLine;

use self::effects::Effects;
use self::http::Script;
use crate::http::{Error, Response};
use crate::outbox::Request;
use crate::{OnChatPush, OnEvent, OnRoomJoin, Outcome};

/// What a handler did in one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What it answered.
    pub outcome: Outcome,
    /// What it logged, in order, all levels.
    pub log: Vec<LogLine>,
    /// What it added to counters; nothing if it failed.
    pub counters: BTreeMap<String, i64>,
    /// The requests that it queued; none if it failed.
    pub requests: Vec<Request>,
    /// The requests that it made itself, also if it failed.
    pub calls: Vec<crate::http::Request>,
}

impl Run {
    /// The texts of the log lines.
    #[must_use]
    pub fn messages(&self) -> Vec<&str> {
        self.log.iter().map(|line| line.message.as_str()).collect()
    }
}

/// Stands in for the host: configuration in, log lines out, and entries and
/// counters that stay from run to run.
#[derive(Debug, Default)]
pub struct Host {
    values: config::Values,
    kept: Mutex<Effects>,
}

impl Clone for Host {
    /// A host with the same state, and a life of its own from here on.
    fn clone(&self) -> Self {
        Self {
            values: self.values.clone(),
            kept: Mutex::new(self.kept().clone()),
        }
    }
}

impl Host {
    /// A host without configuration, where nothing may be sent.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one value, as in the manifest's `[config]`.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        let config = &mut self.values.config;
        config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Gives a secret, as by the manifest's `[secrets]`. Lines of [`Run::log`] show
    /// it where the real host's would not, so that a test can tell.
    #[must_use]
    pub fn secret(mut self, key: &str, value: &str) -> Self {
        let secrets = &mut self.values.secrets;
        secrets.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Allows requests that start like this: `POST https://hooks.example.com/`.
    #[must_use]
    pub fn allow(self, line: &str) -> Self {
        self.kept().allowed.push(line.to_owned());
        self
    }

    /// Answers [`http`](crate::http) requests that start like this, such as
    /// `GET https://api.example.com/`. The first line that fits counts; a request
    /// without one is denied.
    #[must_use]
    pub fn answer(self, line: &str, status: u16, body: impl Into<Vec<u8>>) -> Self {
        self.script(
            line,
            Ok(Response {
                status,
                headers: Vec::new(),
                body: body.into(),
            }),
        )
    }

    /// Fails [`http`](crate::http) requests that start like this.
    #[must_use]
    pub fn fail(self, line: &str, error: Error) -> Self {
        self.script(line, Err(error))
    }

    fn script(self, line: &str, answer: Result<Response, Error>) -> Self {
        let line = line.to_owned();
        self.kept().answers.push(Script { line, answer });
        self
    }

    /// Puts an entry into a bucket.
    ///
    /// # Panics
    /// When the value can't be made JSON: a mistake in the test.
    #[must_use]
    pub fn with_entry<T: Serialize + ?Sized>(self, bucket: &str, key: &str, value: &T) -> Self {
        let bytes = serde_json::to_vec(value).unwrap_or_else(|e| panic!("no JSON: {e}"));
        let mut kept = self.kept();
        let entries = kept.buckets.entry(bucket.to_owned()).or_default();
        entries.insert(key.to_owned(), bytes);
        drop(kept);
        self
    }

    /// An entry's value; none if there is no such entry.
    ///
    /// # Panics
    /// When the value doesn't fit `T`.
    #[must_use]
    pub fn entry<T: DeserializeOwned>(&self, bucket: &str, key: &str) -> Option<T> {
        let kept = self.kept();
        let bytes = kept.buckets.get(bucket)?.get(key)?;
        let value = serde_json::from_slice(bytes);
        Some(value.unwrap_or_else(|e| panic!("the value of {key:?} is something else: {e}")))
    }

    /// The keys of a bucket.
    #[must_use]
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let kept = self.kept();
        let entries = kept.buckets.get(bucket);
        entries.map_or_else(Vec::new, |entries| entries.keys().cloned().collect())
    }

    /// A counter's sum over all runs.
    #[must_use]
    pub fn counter(&self, name: &str) -> i64 {
        self.kept().counters.get(name).copied().unwrap_or(0)
    }

    fn kept(&self) -> MutexGuard<'_, Effects> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the plugin's handler with a `room.join` body, as the provider sends it.
    ///
    /// # Panics
    /// When the body isn't one: a mistake in the test.
    pub fn room_join<P: OnRoomJoin>(&self, body: &str) -> Run {
        let event = room_join(body);
        self.run(|| P::on_room_join(event))
    }

    /// Runs the plugin's handler with a `chat.push` body, as the provider sends it.
    ///
    /// # Panics
    /// As [`Host::room_join`].
    pub fn chat_push<P: OnChatPush>(&self, body: &str) -> Run {
        let event = chat_push(body);
        self.run(|| P::on_chat_push(event))
    }

    /// Runs the plugin's handler with any other body, as the provider sends it.
    ///
    /// # Panics
    /// As [`Host::room_join`].
    pub fn event<P: OnEvent>(&self, body: &str) -> Run {
        let event = event(body);
        self.run(|| P::on_event(event))
    }

    /// Runs anything that uses the SDK; for an event that you changed before, say.
    pub fn run(&self, handler: impl FnOnce() -> Outcome) -> Run {
        let _config = config::during(self.values.clone());
        let running = effects::during(Effects {
            counters: BTreeMap::new(),
            requests: Vec::new(),
            ..self.kept().clone()
        });
        let (outcome, log) = logs::during(handler);
        let mut done = running.end();
        let calls = std::mem::take(&mut done.calls);
        if outcome.is_err() {
            done = Effects::default();
        } else {
            let mut kept = self.kept();
            kept.buckets = done.buckets;
            for (name, delta) in &done.counters {
                let sum = kept.counters.entry(name.clone()).or_default();
                *sum = sum.saturating_add(*delta);
            }
        }
        Run {
            outcome,
            log,
            counters: done.counters,
            requests: done.requests,
            calls,
        }
    }
}

#[cfg(test)]
mod effects_tests;
#[cfg(test)]
mod tests;
