//! The priority of threads that work for plugins: below that of all that answers
//! webhooks and stores them, so that the ingest path keeps its latency however busy
//! they are.
//!
//! A lower nice value alone isn't enough: the kernel lets a running thread finish
//! its slice of some milliseconds all the same, and an answer waits for several
//! threads in turn. A thread under `SCHED_IDLE` is interrupted at once
//! (sched(7)), and has what the others leave.

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Added to the nice value: what is left where the policy may not be set.
const NICENESS: i32 = 5;

/// Has the calling thread, and what it starts, yield to the rest of the host. Not
/// being allowed to is no reason not to run.
pub(crate) fn yield_to_the_rest() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) =
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
    {
        tracing::debug!("a thread for plugins stays in its scheduling class: {error:?}");
    }
    // On Linux this is for the calling thread alone.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!("a thread for plugins keeps the host's priority: {error}");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::thread;

    use thread_priority::thread_schedule_policy;

    use super::*;

    /// Whether the calling thread yields to the rest.
    pub(crate) fn yields() -> bool {
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        thread_schedule_policy().is_ok_and(|policy| policy == idle)
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
