//! The threads of dispatch: those that handlers run on, which yield to the rest of
//! the host, so that the ingest path keeps its latency when they are busy; and one
//! that decides what starts, which must not wait for handlers that spin.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::priority;

/// A runtime of its own.
pub(super) struct Threads {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Threads {
    /// Starts as many threads for handlers as the machine has cores.
    pub(super) fn for_handlers() -> std::io::Result<Self> {
        Self::start(
            Builder::new_multi_thread()
                .thread_name("handler")
                .on_thread_start(priority::yield_to_the_rest),
        )
    }

    /// Starts the thread that decides.
    pub(super) fn for_decisions() -> std::io::Result<Self> {
        Self::start(
            Builder::new_multi_thread()
                .thread_name("dispatch")
                .worker_threads(1),
        )
    }

    fn start(builder: &mut Builder) -> std::io::Result<Self> {
        let runtime = builder.enable_time().build()?;
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
impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
