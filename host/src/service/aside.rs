//! A thread beside those of ingest, at a lower priority, for what the plugins folder
//! makes the host do: listing it, reading and hashing files, linking. Whoever fills
//! the folder keeps this busy, and not the threads that answer.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::priority;

/// The runtime of the plugins folders.
#[derive(Debug)]
pub(super) struct Aside {
    runtime: Option<Runtime>,
    /// Where to run things.
    pub(super) handle: Handle,
}

impl Aside {
    /// Starts the thread; those that it waits for files with have its priority.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("plugins")
            .on_thread_start(priority::yield_to_the_rest)
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self {
            runtime: Some(runtime),
            handle,
        })
    }
}

/// Ends it without waiting: the owner runs on another runtime's thread.
impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_of_its_threads_yield_to_the_rest() {
        let aside = Aside::start().expect("threads");
        let task = aside.handle.spawn(async { priority::tests::yields() });
        let blocking = aside.handle.spawn_blocking(priority::tests::yields);
        assert!(task.await.expect("it ends"));
        assert!(blocking.await.expect("it ends"));
        assert!(!priority::tests::yields());
    }
}
