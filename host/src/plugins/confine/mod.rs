//! Takes from the compile child what compiling doesn't need, before it reads
//! the first hostile byte; and from `hookbox check` what looking doesn't need.
//!
//! The process does all of it to itself, on its only thread, in this order:
//!
//! 1. [`parent`]: it dies with the host (the child only);
//! 2. no new privileges, no core dumps, nobody may trace it;
//! 3. [`files`]: Landlock, so no file, no TCP port, no signal to others;
//! 4. [`limits`]: memory, CPU time, no new descriptors, processes or files;
//! 5. [`calls`]: seccomp, so that only the few system calls of compiling are left.
//!
//! Landlock and seccomp depend on the kernel: what it lacks is left out, and
//! [`Confinement`] says so. The rest is always there, or the child doesn't start.
//! [`probe`] tries what must not work.

mod calls;
mod files;
mod limits;
mod parent;
pub mod probe;

use std::io;
use std::time::Duration;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;
use serde::{Deserialize, Serialize};

pub use crate::confine::Degree;
pub use parent::die_with;

/// What a confined process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Its address space, in bytes.
    pub memory: u64,
    /// Its CPU time, rounded up to whole seconds.
    pub cpu: Duration,
    /// What it may write to an open file, in bytes. Pipes don't count.
    pub file: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            cpu: Duration::from_secs(120),
            file: 0,
        }
    }
}

/// What confines a process besides its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// No files, no TCP, no signals to others.
    pub landlock: Degree,
    /// Only the system calls of compiling.
    pub seccomp: Degree,
}

/// A step of the confinement, for who wants to try it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Nothing is confined yet.
    Before,
    /// With Landlock.
    Landlock,
    /// With limits as well.
    Limits,
    /// With seccomp as well: all of it.
    Seccomp,
}

/// Confines this process for good. It must have one thread only: what a thread
/// takes from itself, others keep.
///
/// # Errors
/// When something that every kernel has can't be set.
pub fn confine(bounds: Bounds, mut after: impl FnMut(Step)) -> io::Result<Confinement> {
    after(Step::Before);
    set_no_new_privs(true)?;
    // A pattern that pipes core dumps to a program ignores the limit of zero.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let landlock = files::forbid();
    after(Step::Landlock);
    limits::set(bounds)?;
    after(Step::Limits);
    let seccomp = calls::forbid();
    after(Step::Seccomp);
    Ok(Confinement { landlock, seccomp })
}
