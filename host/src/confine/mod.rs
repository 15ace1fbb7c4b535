//! Takes from the host what it doesn't need, before it reads the first byte that
//! somebody else wrote: what breaks out of the sandbox finds little outside.
//!
//! ```text
//! Config ──▶ Needs ──▶ confine ──▶ threads, listeners, journal, plugins, children
//!                      1. privileges: no new ones, few of root's
//!                      2. files: Landlock, so its own folders and two ports
//!                      3. calls: seccomp, so nothing that administers the system
//! ```
//!
//! The process does it to itself while it has one thread: what a thread gives up,
//! its later threads and children don't have either. Compile children give up the
//! rest ([`crate::plugins::confine`]). Landlock and seccomp depend on the kernel:
//! [`Mode`] says what it means that something is missing. [`probe`] tries it all.

mod calls;
mod degree;
mod files;
mod places;
mod privileges;
pub mod probe;

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub use degree::Degree;
pub use places::Needs;

/// Whether the host confines itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing is given up.
    Off,
    /// What this kernel can take is given up.
    #[default]
    Try,
    /// All of it, or the host doesn't start.
    Require,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Try => "try",
            Self::Require => "require",
        })
    }
}

/// What confines the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// No new privileges, few of root's.
    pub privileges: Degree,
    /// Only its own folders, its own ports, no signals to others.
    pub landlock: Degree,
    /// No system calls that administer the system.
    pub seccomp: Degree,
}

impl Confinement {
    /// Whether everything that was asked for is in force.
    #[must_use]
    pub fn is_full(self) -> bool {
        [self.privileges, self.landlock, self.seccomp] == [Degree::Full; 3]
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            privileges,
            landlock,
            seccomp,
        } = self;
        write!(
            f,
            "privileges given up: {privileges}, Landlock: {landlock}, seccomp: {seccomp}"
        )
    }
}

/// Why the host isn't confined as required.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// Other threads keep what this one gives up.
    #[error(
        "`host.confine` is \"require\", and the process has {0} threads before it can confine itself; start it without preloaded libraries, or set it to \"try\""
    )]
    Threads(usize),
    /// The kernel lacks something.
    #[error(
        "`host.confine` is \"require\", and not all is in force ({0}); use Linux 6.12 or newer (in a container, with a profile that allows Landlock and seccomp), or set it to \"try\""
    )]
    Missing(Confinement),
}

/// Confines this process for good to what it `needs`; `None` if `mode` is off.
///
/// # Errors
/// Only if it is required: see [`ConfineError`]. The process may be confined in
/// part then.
pub fn confine(mode: Mode, needs: &Needs) -> Result<Option<Confinement>, ConfineError> {
    if mode == Mode::Off {
        return Ok(None);
    }
    let threads = threads();
    if mode == Mode::Require && threads > 1 {
        return Err(ConfineError::Threads(threads));
    }
    let places = places::of(needs);
    let confinement = Confinement {
        privileges: privileges::drop(),
        landlock: files::restrict(&places, &needs.ports),
        seccomp: calls::forbid(),
    };
    if mode == Mode::Require && !confinement.is_full() {
        return Err(ConfineError::Missing(confinement));
    }
    Ok(Some(confinement))
}

/// How many threads this process has, as far as it can know.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
