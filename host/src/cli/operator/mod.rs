//! What the commands share that talk to a running host: where it is
//! ([`target`]), asking it ([`client`]), times ([`when`]), and printing what it
//! says ([`table`], [`text`]) so that nothing in it can act on the terminal.

pub(super) mod client;
pub(super) mod interrupt;
pub(super) mod list;
pub(super) mod table;
pub(super) mod target;
pub(super) mod text;
pub(super) mod when;

#[cfg(test)]
pub(super) mod fake;

use std::io::Write as _;

pub(super) use client::{Api, ClientError, Query};
pub(super) use target::Target;

/// Why a command about a running host failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum OperatorError {
    /// Where the host is.
    #[error(transparent)]
    Target(#[from] target::TargetError),
    /// The host, or the way there.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer isn't what this version expects.
    #[error("the host's answer isn't understood ({0}): is it another version of hookbox?")]
    Answer(#[from] serde_json::Error),
    /// A moment on the command line.
    #[error("{flag}: {source}")]
    When {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        source: when::WhenError,
    },
    /// The signals.
    #[error("Ctrl-C can't be watched for: {0}")]
    Signals(std::io::Error),
    /// A question without anyone to answer it.
    #[error("nobody is there to confirm this: say --yes if it is meant")]
    Unconfirmed,
}

/// Prints a text that is ready for people or machines. Whoever has closed the
/// pipe doesn't want to see more.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints JSON without anything that could act on a terminal.
pub(super) fn print_json(value: &serde_json::Value) {
    print(&text::json(&format!("{value:#}\n")));
}

/// A line for the person who waits.
pub(super) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
