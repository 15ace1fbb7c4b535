//! `hookbox compile`, hidden: the child process that the host starts for each
//! file in the plugins folder. See [`crate::plugins::child`].

use std::io;
use std::time::Duration;

use crate::plugins::child;
use crate::plugins::confine::Bounds;

/// What the host tells its child.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The process to die with.
    #[arg(long)]
    parent: u32,
    /// Bytes of address space to use at most.
    #[arg(long)]
    memory: u64,
    /// Seconds of CPU time to use at most.
    #[arg(long)]
    cpu: u64,
    /// Try what must not work instead, and report.
    #[arg(long)]
    self_test: bool,
}

/// Compiles the file on standard input; answers on standard output.
///
/// # Errors
/// When either can't be used, or the process can't be confined.
pub(super) fn run(args: &Args) -> io::Result<()> {
    let bounds = Bounds {
        memory: args.memory,
        cpu: Duration::from_secs(args.cpu),
        ..Bounds::default()
    };
    let mut output = io::stdout().lock();
    if args.self_test {
        child::self_test(args.parent, bounds, &mut output)
    } else {
        child::run(args.parent, bounds, &mut io::stdin().lock(), &mut output)
    }
}
