//! Captures what a thread logs.

use std::cell::RefCell;
use std::sync::Once;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// One line of a handler's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How important it is.
    pub level: Level,
    /// Where it comes from: the module, unless the macro was given a `target`.
    pub target: String,
    /// The text.
    pub message: String,
}

thread_local! {
    static LINES: RefCell<Vec<LogLine>> = const { RefCell::new(Vec::new()) };
}

struct Capture;

impl Log for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = LogLine {
            level: record.level(),
            target: record.target().to_owned(),
            message: record.args().to_string(),
        };
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn flush(&self) {}
}

/// Runs `work` and gives what it logged on this thread.
pub(super) fn during<T>(work: impl FnOnce() -> T) -> (T, Vec<LogLine>) {
    static SET: Once = Once::new();
    SET.call_once(|| {
        // A test that has set a logger of its own gets its lines there.
        if log::set_logger(&Capture).is_ok() {
            log::set_max_level(LevelFilter::Trace);
        }
    });
    let before = LINES.take();
    let done = work();
    (done, LINES.replace(before))
}
