//! Follows the log of a host, line by line.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::PATIENCE;

/// The log of one run of a host, as JSON lines.
#[derive(Clone, Debug, Default)]
pub struct Log {
    lines: Arc<(Mutex<Lines>, Condvar)>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<Value>,
    ended: bool,
}

impl Log {
    /// Follows `stream` on a thread of its own.
    #[must_use]
    pub fn follow(stream: impl Read + Send + 'static) -> Self {
        Self::follow_some(stream, |_| true)
    }

    /// As [`Log::follow`], and keeps only the lines that are `wanted` as they are
    /// written.
    #[must_use]
    pub fn follow_some(
        stream: impl Read + Send + 'static,
        wanted: impl Fn(&[u8]) -> bool + Send + 'static,
    ) -> Self {
        let log = Self::default();
        let writer = log.clone();
        thread::spawn(move || {
            let mut stream = BufReader::with_capacity(64 << 10, stream);
            let mut line = Vec::new();
            while stream
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let text = line.trim_ascii_end();
                if wanted(text) {
                    let text = || Value::String(String::from_utf8_lossy(text).into_owned());
                    let value = serde_json::from_slice(&line).unwrap_or_else(|_| text());
                    writer.change(|lines| lines.lines.push(value));
                }
                line.clear();
            }
            writer.change(|lines| lines.ended = true);
        });
        log
    }

    /// All lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        self.lines
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .lines
            .clone()
    }

    /// Waits for a line that `matches`, from the beginning of the log on.
    ///
    /// # Panics
    /// When none has come within [`PATIENCE`] or before the log's end.
    pub fn wait(&self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        self.wait_count(what, 1, matches).remove(0)
    }

    /// Waits until at least `count` lines match and returns them.
    ///
    /// # Panics
    /// As for [`Log::wait`].
    pub fn wait_count(
        &self,
        what: &str,
        count: usize,
        matches: impl Fn(&Value) -> bool,
    ) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        let (lock, changed) = &*self.lines;
        let mut lines = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        let mut looked_at = 0;
        loop {
            found.extend(
                lines.lines[looked_at..]
                    .iter()
                    .filter(|line| matches(line))
                    .cloned(),
            );
            looked_at = lines.lines.len();
            if found.len() >= count {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !lines.ended && !left.is_zero(),
                "waited in vain for {count} × {what}, found {}; the log's last lines:\n{}",
                found.len(),
                tail(&lines.lines)
            );
            lines = changed
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The lines so far that match.
    #[must_use]
    pub fn matching(&self, matches: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.lines()
            .into_iter()
            .filter(|line| matches(line))
            .collect()
    }

    fn change(&self, change: impl FnOnce(&mut Lines)) {
        let (lock, changed) = &*self.lines;
        change(&mut lock.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    }
}

fn tail(lines: &[Value]) -> String {
    let from = lines.len().saturating_sub(30);
    let shown: Vec<String> = lines[from..].iter().map(Value::to_string).collect();
    shown.join("\n")
}

/// The message of a line.
#[must_use]
pub fn message(line: &Value) -> &str {
    line["fields"]["message"].as_str().unwrap_or_default()
}

/// A field of a line, as text.
#[must_use]
pub fn field<'a>(line: &'a Value, name: &str) -> &'a str {
    line["fields"][name].as_str().unwrap_or_default()
}

/// Whether the line comes from a handler of `plugin`.
#[must_use]
pub fn is_from_plugin(line: &Value, plugin: &str) -> bool {
    line["target"] == "hookbox::plugin" && field(line, "plugin") == plugin
}
