//! What the requests of all attempts share: a thread of their own, at a lower
//! priority, so that no answer, however it floods, takes time from ingest; and a
//! bound of connections, so that ingest keeps its open files.

use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use super::shares::Connections;
use crate::outbound::Client;
use crate::priority;

/// Connections of all attempts together, shared as [`shares`](super::shares) says.
const MAX_CONNECTIONS: usize = 256;

/// Threads that look up names. A look-up can't be cancelled, so that many slow
/// ones have the next one wait, and nobody else.
const MAX_LOOKUPS: usize = 64;

/// The way out.
pub(in crate::sandbox) struct Network {
    pub(super) client: Client,
    pub(super) connections: Arc<Connections>,
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Network {
    /// Starts the thread.
    pub(in crate::sandbox) fn start(client: Client) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(MAX_LOOKUPS)
            .thread_name("plugin-http")
            .on_thread_start(priority::yield_to_the_rest)
            .enable_all()
            .build()?;
        Ok(Self {
            client,
            connections: Arc::new(Connections::new(MAX_CONNECTIONS)),
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Does the work on the network's thread; `None` when the host stops. Dropping
    /// this ends it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut task = Ending(self.handle.spawn(work));
        (&mut task.0).await.ok()
    }
}

/// Doesn't wait: the owner may itself run on a runtime.
impl Drop for Network {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Ends a task with its owner.
struct Ending<T>(JoinHandle<T>);

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
