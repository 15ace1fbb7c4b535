//! The priority of threads that work for plugins: below that of all that answers
//! webhooks and stores them, so that the ingest path keeps its latency.
//!
//! A nice value alone doesn't do that: the kernel lets a running thread finish its
//! slice of some milliseconds all the same. The rest is that long attempts never have
//! all cores (the sandbox's `turns`). A policy below all others (`SCHED_IDLE`)
//! would interrupt them at once; but where ingest itself takes all cores, what is left
//! for handlers is then so little that they handle half as much.

/// Added to the nice value.
const NICENESS: i32 = 5;

/// Has the calling thread, and what it starts, yield to the rest of the host. Not
/// being allowed to is no reason not to run.
pub(crate) fn yield_to_the_rest() {
    // A thread has what its starter has; of the process this is the main thread's.
    let lower = process_niceness().and_then(|of_host| {
        let wanted = (of_host + NICENESS).min(19);
        rustix::process::nice(wanted - rustix::process::nice(0)?)
    });
    if let Err(error) = lower {
        tracing::debug!("a thread for plugins keeps the host's priority: {error}");
    }
}

fn process_niceness() -> rustix::io::Result<i32> {
    rustix::process::getpriority_process(Some(rustix::process::getpid()))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::thread;

    use super::*;

    /// Whether the calling thread yields to the rest.
    pub(crate) fn yields() -> bool {
        let (of_host, own) = (process_niceness(), rustix::process::nice(0));
        own.expect("it can be asked for") > of_host.expect("it can be asked for")
    }

    #[test]
    fn a_thread_yields_and_its_starter_does_not() {
        let niceness = || {
            yield_to_the_rest();
            assert!(yields());
            rustix::process::nice(0).expect("it can be asked for")
        };
        let thread = thread::spawn(move || {
            let own = niceness();
            let started = thread::spawn(niceness).join().expect("it ends");
            assert_eq!(own, started, "no lower for being started by it");
        });
        thread.join().expect("it ends");
        assert!(!yields());
    }
}
