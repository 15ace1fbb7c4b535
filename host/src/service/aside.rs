//! A thread beside those of ingest, at a lower priority, for what the plugins folder
//! makes the host do: listing it, reading and hashing files, linking. Whoever fills
//! the folder keeps this busy, and not the threads that answer.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// Added to the process's nice value: that of the handlers' threads.
const NICENESS: i32 = 5;

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
            .on_thread_start(|| {
                // Not being allowed to is no reason not to run.
                let _ = rustix::process::nice(NICENESS);
            })
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

    /// Of the calling thread.
    fn niceness() -> i32 {
        rustix::process::nice(0).expect("it is known")
    }

    #[tokio::test]
    async fn all_of_its_threads_yield_to_the_rest() {
        let own = niceness();
        let aside = Aside::start().expect("threads");
        let task = aside.handle.spawn(async { niceness() });
        let blocking = aside.handle.spawn_blocking(niceness);
        let lower = (own + NICENESS).min(19);
        assert_eq!(task.await.expect("it ends"), lower);
        assert_eq!(blocking.await.expect("it ends"), lower);
        assert_eq!(niceness(), own);
    }
}
