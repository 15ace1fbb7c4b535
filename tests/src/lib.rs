//! Starts the real binary and drives it from outside.
//!
//! [`Host`] runs `hookbox serve` as a child process on free ports and scratch
//! folders, follows its log, and stops or kills it. [`http`] talks to it.
//! [`wat`] makes plugins out of a few lines of WebAssembly text, for what no
//! language would let one write. [`disk`] is a disk that loses its power, fills up
//! or fails, and [`recorder`] a server that writes down what it gets. [`hostile`] is a
//! catalogue of plugins that mean harm, [`usage`] what a process has used. Nothing here sleeps for a guess: a test waits
//! for a log line or an answer, with a generous limit.

pub mod disk;
pub mod hostile;
pub mod http;
pub mod log;
pub mod process;
pub mod recorder;
pub mod samples;
pub mod usage;
pub mod wat;

pub use process::{Host, HostOptions};

/// How long a test waits for something that must come. Generous: the machine may
/// be busy, and nothing is measured by it.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);

/// Calls `look` until it gives something.
///
/// # Panics
/// When nothing has come within [`PATIENCE`]; `what` says what was waited for.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "waited too long for: {what}"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
