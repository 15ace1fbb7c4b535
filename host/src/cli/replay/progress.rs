//! How far it is, on standard error: one line that changes on a terminal, else a
//! line now and then.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Between two lines where lines can't change.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Progress {
    last: Option<Instant>,
    /// What was said last: the same isn't said twice.
    said: String,
    /// A line is open that the next one replaces.
    open: bool,
}

impl Progress {
    /// Shows how far it is.
    pub(super) fn show(&mut self, line: &str) {
        let mut out = std::io::stderr();
        if out.is_terminal() {
            // Back to the start, and clear what is left of a longer line.
            let _ = write!(out, "\r\x1b[K{line}");
            let _ = out.flush();
            self.open = true;
        } else if self.said != line && self.last.is_none_or(|last| last.elapsed() >= PAUSE) {
            line.clone_into(&mut self.said);
            let _ = writeln!(out, "{line}");
            self.last = Some(Instant::now());
        }
    }

    /// Ends the open line.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.open) {
            let _ = writeln!(std::io::stderr());
        }
        self.last = None;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
