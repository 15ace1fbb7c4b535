//! The threads that handlers run on: their own, at a lower priority, so that
//! the ingest path keeps its latency when they are busy.

use tokio::runtime::{Builder, Handle, Runtime};

/// Added to the process's nice value. Low enough to yield to ingest, high enough
/// that handlers still get their share of a busy machine.
const NICENESS: i32 = 5;

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
            .on_thread_start(lower_priority)
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

/// Lowers the priority of the calling thread. Not being allowed to is no reason
/// not to run.
fn lower_priority() {
    // On Linux this sets the priority of the calling thread alone.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!("handlers run at the host's own priority: {error}");
    }
}
