//! A child that outlives the host would go on for nobody.

use std::io;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Has the kernel kill this process when `parent` ends, however it ends.
///
/// The kernel looks at the thread that started this process: the host starts its
/// children on threads that live as long as it does.
///
/// # Errors
/// When `parent` is gone already.
pub fn die_with(parent: u32) -> io::Result<Pid> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before that.
    let expected = i32::try_from(parent).ok().and_then(Pid::from_raw);
    getppid()
        .filter(|&actual| Some(actual) == expected)
        .ok_or_else(|| io::Error::other("the host that started this is gone"))
}
