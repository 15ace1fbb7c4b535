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
//! Log lines and configuration belong to the test's own thread, so tests run
//! side by side. Lines that a handler logs from other threads aren't seen; in
//! wasm there are none.

mod body;
pub(crate) mod config;
mod logs;

use std::collections::BTreeMap;

pub use body::{chat_push, event, room_join};
pub use logs::LogLine;

use crate::{OnChatPush, OnEvent, OnRoomJoin, Outcome};

/// What a handler did in one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What it answered.
    pub outcome: Outcome,
    /// What it logged, in order, all levels.
    pub log: Vec<LogLine>,
}

impl Run {
    /// The texts of the log lines.
    #[must_use]
    pub fn messages(&self) -> Vec<&str> {
        self.log.iter().map(|line| line.message.as_str()).collect()
    }
}

/// Stands in for the host: configuration in, log lines out.
#[derive(Debug, Clone, Default)]
pub struct Host {
    config: BTreeMap<String, String>,
}

impl Host {
    /// A host without configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one value, as in the manifest's `[config]`.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.to_owned(), value.to_owned());
        self
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

    /// Runs anything that uses the log or the configuration; for an event that
    /// you changed before, say.
    pub fn run(&self, handler: impl FnOnce() -> Outcome) -> Run {
        let _config = config::during(self.config.clone());
        let (outcome, log) = logs::during(handler);
        Run { outcome, log }
    }
}

#[cfg(test)]
mod tests;
