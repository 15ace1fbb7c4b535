//! The priority of threads that work for plugins: below that of all that answers
//! webhooks and stores them, so that the ingest path keeps its latency.
//!
//! A nice value alone doesn't do that: the kernel lets a running thread finish its
//! slice of some milliseconds all the same. The rest is that long attempts never have
//! all cores ([`turns`](crate::sandbox)). A policy below all others (`SCHED_IDLE`)
//! would interrupt them at once; but where ingest itself takes all cores, what is left
//! for handlers is then so little that they handle half as much.

/// Added to the nice value.
const NICENESS: i32 = 5;

/// Has the calling thread, and what it starts, yield to the rest of the host. Not
/// being allowed to is no reason not to run.
pub(crate) fn yield_to_the_rest() {
    // On Linux this is for the calling thread alone.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!("a thread for plugins keeps the host's priority: {error}");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::thread;

    use super::*;

    /// How much the calling thread yields to the rest.
    fn niceness() -> i32 {
        rustix::process::nice(0).expect("it can be asked for")
    }

    /// Whether the calling thread yields to the rest.
    pub(crate) fn yields() -> bool {
        let main = rustix::process::getpriority_process(Some(rustix::process::getpid()))
            .expect("it can be asked for");
        niceness() == (main + NICENESS).min(19)
    }

    #[test]
    fn a_thread_yields_and_its_starter_does_not() {
        let thread = thread::spawn(|| {
            yield_to_the_rest();
            yields()
        });
        assert!(thread.join().expect("it ends"));
        assert!(!yields());
    }
}
