//! Where the host's log goes: standard error, as text for people or as JSON
//! lines for machines; and never with a plugin's secret.
//!
//! What a plugin says is redacted where it comes in. This is the last line of
//! defence, for whatever the host or a library of it has to say, at any level.

use std::io::{self, Write};
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::types::Redactor;

/// Known once the configuration is read, which is after the log has started.
static SECRETS: OnceLock<Redactor> = OnceLock::new();

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `RUST_LOG` chooses what is shown; without it everything from
/// `info` on.
pub(super) fn start(format: Format) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Redacted(io::stderr()));
    match format {
        Format::Text => builder.with_ansi(is_terminal()).init(),
        Format::Json => builder.json().init(),
    }
}

/// From now on no line has these in it.
pub(super) fn redact(secrets: Redactor) {
    // The first ones stay: the configuration is read once.
    let _ = SECRETS.set(secrets);
}

/// Gets each line in one piece.
struct Redacted<W>(W);

impl<W: Write> Write for Redacted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match SECRETS.get() {
            Some(secrets) => self.0.write_all(&secrets.bytes(line))?,
            None => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn is_terminal() -> bool {
    use io::IsTerminal as _;
    io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::redact::Forms;

    #[test]
    fn a_line_has_no_secret() {
        let forms = Forms::of("only-in-this-test").expect("few forms");
        redact(Redactor::new([Arc::new(forms)]));
        let mut out = Vec::new();
        let line = b"{\"fields\":{\"message\":\"Only-In-This-Test\"}}\n";
        Redacted(&mut out).write_all(line).expect("into memory");
        assert_eq!(out, b"{\"fields\":{\"message\":\"[secret]\"}}\n");
    }
}
