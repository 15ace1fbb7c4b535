//! What was sent and what was answered: kept outside the host, so that it
//! outlives it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sessions that the messages belong to.
const SESSIONS: u64 = 32;

/// A message that is to be sent until it is answered 200.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) number: u64,
    /// How many bytes it is longer than it need be.
    pub(crate) padding: usize,
}

impl Message {
    /// The body, always the same for the same message: whoever sends it again
    /// sends a duplicate.
    pub(crate) fn body(&self) -> String {
        let Self { number, padding } = self;
        let (session, padding) = (number % SESSIONS, "-".repeat(*padding));
        format!(
            r#"{{"event_type":"chat.push","agent_id":"A","timestamp":{number},"padding":"{padding}",
            "data":{{"role":"user","message":"{number}","session_id":"s-{session}","timestamp":1}}}}"#
        )
    }
}

/// All messages.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many numbers have been given out, from 0.
    numbers: u64,
    /// Sent without an answer.
    open: VecDeque<Message>,
    /// Answers 200, and those of them that named a duplicate.
    answered: u64,
    duplicates: u64,
    refused: u64,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that had no answer, or a new one.
    pub(crate) fn next(&self, padding: usize) -> Message {
        let mut state = self.lock();
        if let Some(open) = state.open.pop_front() {
            return open;
        }
        let number = state.numbers;
        state.numbers += 1;
        Message { number, padding }
    }

    /// One that had no answer.
    pub(crate) fn next_open(&self) -> Option<Message> {
        self.lock().open.pop_front()
    }

    pub(crate) fn answered(&self, duplicate: bool) {
        let mut state = self.lock();
        state.answered += 1;
        state.duplicates += u64::from(duplicate);
    }

    /// It had no answer, or another than 200: whether it is stored is open.
    pub(crate) fn unanswered(&self, message: Message, refused: bool) {
        let mut state = self.lock();
        state.refused += u64::from(refused);
        state.open.push_back(message);
    }

    /// How many numbers there are; each has to be counted.
    pub(crate) fn numbers(&self) -> u64 {
        self.lock().numbers
    }

    /// How many answers 200 there were: one for each number at the end.
    pub(crate) fn answers(&self) -> u64 {
        self.lock().answered
    }

    pub(crate) fn duplicates(&self) -> u64 {
        self.lock().duplicates
    }

    pub(crate) fn refused(&self) -> u64 {
        self.lock().refused
    }
}
