//! The threads that handlers run on: their own, at a lower priority, so that
//! the ingest path keeps its latency when they are busy.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::priority;

/// A runtime of its own for handlers.
pub(super) struct HandlerThreads {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl HandlerThreads {
    /// Starts as many threads as the machine has cores.
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("handler")
            .enable_time()
            .on_thread_start(priority::yield_to_the_rest)
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self {
            runtime: Some(runtime),
            handle,
        })
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

/// Ends the threads without waiting for them: the owner runs on one of them, and
/// may be panicking.
impl Drop for HandlerThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
