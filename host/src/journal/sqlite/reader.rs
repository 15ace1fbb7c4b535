//! Reading: threads with a connection each, so that a page of results never
//! waits for the writer, nor the writer for it. There is one for what dispatch
//! and the sender page through, one for what handlers read and one for people,
//! so that none of them waits for another kind.
//!
//! Each question is about a bounded page: a read transaction that stays open
//! would keep the log from starting over.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::schema::open_helper;
use super::{OpenError, error};
use crate::journal::JournalError;
use crate::priority;

/// Who a reader reads for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// The host itself.
    Host,
    /// Handlers and people. What is read for a handler isn't part of its CPU time, and
    /// it may ask without end: the thread yields to the rest of the host.
    Others,
}

/// Questions that may wait; who comes later waits to ask.
const QUEUE: usize = 256;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// A connection that the writer can close and open again under its user.
pub(super) type Slot = Arc<Mutex<Option<Connection>>>;

/// Asks a reading thread.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    questions: mpsc::Sender<Question>,
}

impl Reader {
    /// Starts a thread of this name. It ends when the last `Reader` is gone.
    pub(super) fn start(file: &Path, name: &str, of: For) -> Result<(Self, Slot), OpenError> {
        let conn = open_helper(file).map_err(|source| OpenError::Sqlite {
            file: file.into(),
            source,
        })?;
        let slot: Slot = Arc::new(Mutex::new(Some(conn)));
        let (questions, mut asked) = mpsc::channel::<Question>(QUEUE);
        let own = Arc::clone(&slot);
        thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                if of == For::Others {
                    priority::yield_to_the_rest();
                }
                while let Some(question) = asked.blocking_recv() {
                    let guard = own.lock().unwrap_or_else(PoisonError::into_inner);
                    // Without a connection the question is dropped, and its
                    // asker is told that the journal is closed.
                    if let Some(conn) = guard.as_ref() {
                        question(conn);
                    }
                }
            })
            .map_err(OpenError::Thread)?;
        Ok((Self { questions }, slot))
    }

    /// Asks and waits for the answer.
    pub(super) async fn ask<T, F>(&self, question: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let boxed: Question = Box::new(move |conn| {
            let _ = reply.send(question(conn));
        });
        self.questions
            .send(boxed)
            .await
            .map_err(|_| JournalError::Closed)?;
        answer
            .await
            .map_err(|_| JournalError::Closed)?
            .map_err(|error| error::read_error(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_handlers_ask_yields_to_the_host() {
        let folder = tempfile::TempDir::new().expect("a scratch folder");
        let file = folder.path().join("journal");
        Connection::open(&file)
            .and_then(|conn| conn.execute_batch("CREATE TABLE t (x)"))
            .expect("a database");
        for of in [For::Host, For::Others] {
            let (reader, _slot) = Reader::start(&file, "reads", of).expect("it starts");
            let yields = reader.ask(|_| Ok(priority::tests::yields())).await;
            assert_eq!(yields.expect("an answer"), of == For::Others);
        }
    }
}
