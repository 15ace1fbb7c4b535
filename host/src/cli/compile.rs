//! `hookbox compile`, hidden: the child process that the host starts for each
//! file in the plugins folder. See [`crate::plugins::child`].

use std::io;

use crate::plugins::child;

/// Compiles the file on standard input; answers on standard output.
///
/// # Errors
/// When either can't be used.
pub(super) fn run() -> io::Result<()> {
    child::run(&mut io::stdin().lock(), &mut io::stdout().lock())
}
