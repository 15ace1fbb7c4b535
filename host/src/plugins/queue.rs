//! Whose file is compiled next: fair between folders, and within one.
//!
//! One child compiles at a time for the whole host. Each folder has at most one file
//! waiting for that turn, and those that wait get it in order, so folders take
//! turns: however many files one has, each of the others waits for one of them. Within
//! a folder files of plugins that have run go first, but not for ever.
//!
//! ```text
//!  proven ─┐
//!          ├─▶ one at a time ─┐
//!  new ────┘                  ├─▶ the host's one child
//!           (another folder) ─┘
//! ```

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::compile::{CompileError, Compiler, Turn};

/// How many files of proven plugins go before a new one that waits.
const IN_A_ROW: u32 = 3;

/// A file's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A new content of a plugin that has run.
    Proven,
    /// Of one that never has.
    New,
}

/// The queue of one folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Whether a file has the folder's place.
    taken: bool,
    lines: Lines<oneshot::Sender<Place>>,
}

/// The folder's place with the host's compiler; passed on when it is dropped.
#[derive(Debug)]
struct Place(Option<Queue>);

/// The right to compile, in the folder's name.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    // The host's turn is given back first: another folder has been waiting for it.
    turn: Turn<'a>,
    _place: Place,
}

impl Queue {
    /// Waits until it is this file's turn.
    ///
    /// # Errors
    /// See [`Compiler::turn`].
    pub(super) async fn turn<'a>(
        &self,
        compiler: &'a Compiler,
        class: Class,
    ) -> Result<Admission<'a>, CompileError> {
        let place = self.place(class).await;
        Ok(Admission {
            turn: compiler.turn().await?,
            _place: place,
        })
    }

    async fn place(&self, class: Class) -> Place {
        let waiting = {
            let mut state = self.lock();
            if state.taken {
                let (sender, receiver) = oneshot::channel();
                // Loads that were ended in favour of newer ones.
                state.lines.retain(|waiting| !waiting.is_closed());
                state.lines.push(class, sender);
                Some(receiver)
            } else {
                state.taken = true;
                None
            }
        };
        match waiting {
            // The sender stays in the line until it is used.
            Some(waiting) => waiting.await.unwrap_or(Place(None)),
            None => Place(Some(self.clone())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = queue.lock();
                let next = state.lines.pop();
                state.taken = next.is_some();
                next
            };
            let Some(next) = next else { return };
            match next.send(Place(Some(queue.clone()))) {
                Ok(()) => return,
                // Nobody waits there any more.
                Err(mut place) => place.0 = None,
            }
        }
    }
}

impl<'a> Deref for Admission<'a> {
    type Target = Turn<'a>;

    fn deref(&self) -> &Turn<'a> {
        &self.turn
    }
}

/// What waits, by class.
#[derive(Debug)]
struct Lines<T> {
    proven: VecDeque<T>,
    new: VecDeque<T>,
    /// How many proven ones went before new ones that waited.
    in_a_row: u32,
}

impl<T> Default for Lines<T> {
    fn default() -> Self {
        Self {
            proven: VecDeque::new(),
            new: VecDeque::new(),
            in_a_row: 0,
        }
    }
}

impl<T> Lines<T> {
    fn push(&mut self, class: Class, item: T) {
        match class {
            Class::Proven => self.proven.push_back(item),
            Class::New => self.new.push_back(item),
        }
    }

    /// Who goes next.
    fn pop(&mut self) -> Option<T> {
        let new_waits = !self.new.is_empty();
        if (!new_waits || self.in_a_row < IN_A_ROW)
            && let Some(item) = self.proven.pop_front()
        {
            self.in_a_row = if new_waits { self.in_a_row + 1 } else { 0 };
            return Some(item);
        }
        self.in_a_row = 0;
        self.new.pop_front()
    }

    fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.proven.retain(&keep);
        self.new.retain(&keep);
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
