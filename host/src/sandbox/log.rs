//! The log of one attempt: `wasi:logging`, stdout and stderr become lines of the
//! host's log, bounded, without the plugin's secrets and with everything unprintable
//! made visible.

use std::fmt::Write as _;

use serde::Serialize;

use crate::types::{DeliveryId, EndpointName, EventId, PluginName, Redactor};

/// The longest line; more becomes a line of its own. It bounds what a handler
/// can make the host hold back while it waits for a line's end.
const MAX_LINE: usize = 8 << 10;

/// Where log lines come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The endpoint.
    pub endpoint: EndpointName,
    /// The plugin.
    pub plugin: PluginName,
    /// The event.
    pub event: EventId,
    /// The delivery.
    pub delivery: DeliveryId,
}

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Flow of control.
    Trace,
    /// For debugging.
    Debug,
    /// Of general interest.
    Info,
    /// A problem that doesn't stop the work.
    Warn,
    /// The work failed; `critical` in wasi:logging is this as well.
    Error,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// How important it is.
    pub level: Level,
    /// `stdout`, `stderr`, or the context that the handler gave.
    pub context: String,
    /// The text, without control characters.
    pub message: String,
}

/// Collects the lines of one attempt and passes them on to the host's log as
/// they come.
#[derive(Debug)]
pub struct AttemptLog {
    source: Source,
    lines: Vec<Line>,
    bytes_left: usize,
    limits: LogLimits,
    full: bool,
    redactor: Redactor,
}

/// How much an attempt may log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes of all lines, with what it takes to hold them.
    pub bytes: usize,
    /// Lines.
    pub lines: usize,
}

impl AttemptLog {
    /// An empty log that takes as much as `limits` says.
    #[must_use]
    pub fn new(source: Source, limits: LogLimits) -> Self {
        Self {
            source,
            lines: Vec::new(),
            bytes_left: limits.bytes,
            limits,
            full: false,
            redactor: Redactor::default(),
        }
    }

    /// The same without these secrets in its lines.
    #[must_use]
    pub fn redacting(self, redactor: Redactor) -> Self {
        Self { redactor, ..self }
    }

    /// What takes secrets out of its lines.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Adds a line. What is over the limit is dropped, and one line says so.
    pub fn push(&mut self, level: Level, context: &str, message: &str) {
        if self.full {
            return;
        }
        // A line costs at least as much as the record that holds it.
        let cost = context
            .len()
            .saturating_add(message.len())
            .saturating_add(size_of::<Line>());
        let LogLimits { bytes, lines } = self.limits;
        let (limit, unit) = if self.lines.len() >= lines {
            (lines, "lines")
        } else {
            (bytes, "bytes")
        };
        if unit == "lines" || cost > self.bytes_left {
            self.full = true;
            let notice = format!(
                "the log limit of {limit} {unit} is reached: the rest of this attempt's log is dropped"
            );
            self.emit(Level::Warn, "hookbox", notice);
            return;
        }
        self.bytes_left -= cost;
        let context = printable(&self.redactor.text(context));
        let message = printable(&self.redactor.text(message));
        self.emit(level, &context, message);
    }

    fn emit(&mut self, level: Level, context: &str, message: String) {
        let Source {
            endpoint,
            plugin,
            event,
            delivery,
        } = &self.source;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "hookbox::plugin",
                    %endpoint, %plugin, %event, %delivery, context, "{message}"
                )
            };
        }
        match level {
            Level::Trace => line!(trace),
            Level::Debug => line!(debug),
            Level::Info => line!(info),
            Level::Warn => line!(warn),
            Level::Error => line!(error),
        }
        self.lines.push(Line {
            level,
            context: context.to_owned(),
            message,
        });
    }

    /// The lines so far, for the attempt's record.
    #[must_use]
    pub fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }
}

/// The text with control characters escaped: a handler can neither fake a second
/// log line nor speak to the operator's terminal.
pub(super) fn printable(text: &str) -> String {
    if !text.contains(is_unprintable) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unprintable(c) {
            // Writing to a String doesn't fail.
            let _ = write!(clean, "{}", c.escape_unicode());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// Control characters but for the tab, and the marks that reorder text.
fn is_unprintable(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    partial: Vec<u8>,
}

impl LineBuffer {
    /// Takes `bytes`; calls `line` for each line that they complete. What is longer
    /// than a line is cut where no secret stands, so it is held back until the end
    /// of one that may begin before the cut would be seen.
    pub(super) fn write(&mut self, bytes: &[u8], redactor: &Redactor, mut line: impl FnMut(&str)) {
        let most = MAX_LINE + redactor.longest();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let mut rest = piece;
            while self.partial.len() + rest.len() > most {
                let (head, tail) = rest.split_at(most - self.partial.len());
                self.partial.extend_from_slice(head);
                self.pass_on(redactor, &mut line);
                rest = tail;
            }
            self.partial.extend_from_slice(rest);
            if self.partial.ends_with(b"\n") {
                self.partial.pop();
                self.flush(redactor, &mut line);
            }
        }
    }

    /// Passes on what has no line's end yet.
    pub(super) fn flush(&mut self, redactor: &Redactor, mut line: impl FnMut(&str)) {
        while self.partial.len() > MAX_LINE {
            self.pass_on(redactor, &mut line);
        }
        if !self.partial.is_empty() {
            line(String::from_utf8_lossy(&self.partial).trim_end_matches('\r'));
            self.partial.clear();
        }
    }

    /// Passes on the beginning of what is too long for one line.
    fn pass_on(&mut self, redactor: &Redactor, line: &mut impl FnMut(&str)) {
        let cut = redactor.cut(&self.partial, MAX_LINE);
        let rest = self.partial.split_off(cut);
        line(&String::from_utf8_lossy(&self.partial));
        self.partial = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn log(bytes: usize) -> AttemptLog {
        let source = Source {
            endpoint: EndpointName::default_endpoint(),
            plugin: PluginName::new("greeter").expect("a good name"),
            event: EventId::generate(),
            delivery: DeliveryId(1),
        };
        AttemptLog::new(source, LogLimits { bytes, lines: 100 })
    }

    #[test]
    fn past_the_limit_one_line_says_so_and_the_rest_is_dropped() {
        let mut log = log(1000);
        for _ in 0..1000 {
            log.push(Level::Info, "", "a line that says nothing much");
        }
        let lines = log.take_lines();
        assert!(lines.len() < 20);
        let last = lines.last().expect("there are lines");
        assert_eq!(last.level, Level::Warn);
        assert!(last.message.contains("1000 bytes"), "{}", last.message);
    }

    #[test]
    fn lines_are_counted_as_well() {
        let mut log = log(1 << 20);
        for _ in 0..1000 {
            log.push(Level::Info, "", "");
        }
        let lines = log.take_lines();
        assert_eq!(lines.len(), 101);
        let last = lines.last().expect("there are lines");
        assert!(last.message.contains("100 lines"), "{}", last.message);
    }

    #[test]
    fn control_characters_become_visible() {
        let mut log = log(1000);
        log.push(Level::Info, "", "red \u{1b}[31m\nERROR faked");
        let lines = log.take_lines();
        assert_eq!(lines[0].message, "red \\u{1b}[31m\\u{a}ERROR faked");
    }

    #[test]
    fn a_stream_is_cut_at_line_ends_and_at_the_longest_line() {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        let none = Redactor::default();
        for bytes in [&b"one\ntw"[..], b"o\r\n\nthree", &vec![b'x'; 3 * MAX_LINE]] {
            buffer.write(bytes, &none, |line| lines.push(line.to_owned()));
        }
        buffer.flush(&none, |line| lines.push(line.to_owned()));
        assert_eq!(&lines[..2], ["one", "two"]);
        assert!(lines.iter().all(|line| line.len() <= MAX_LINE));
        let bytes: usize = lines.iter().map(String::len).sum();
        assert_eq!(bytes, "onetwothree".len() + 3 * MAX_LINE);
    }

    #[test]
    fn a_secret_is_found_across_writes_and_cuts_whatever_stands_around_it() {
        const SECRET: &str = "s3cret-token";
        let forms = crate::types::redact::Forms::of(SECRET).expect("few forms");
        let redactor = Redactor::new([Arc::new(forms)]);
        for before in MAX_LINE - 2 * SECRET.len()..MAX_LINE + 2 {
            for ending in ["", "\n", &"y".repeat(2 * MAX_LINE)] {
                let text = format!("{}{SECRET}{ending}", "x".repeat(before));
                let (mut buffer, mut all) = (LineBuffer::default(), Vec::new());
                for bytes in text.as_bytes().chunks(1000) {
                    buffer.write(bytes, &redactor, |line| all.push(line.to_owned()));
                }
                buffer.flush(&redactor, |line| all.push(line.to_owned()));
                let whole = all.iter().filter(|line| line.contains(SECRET)).count();
                assert_eq!(whole, 1, "{before} bytes before it");
                assert!(all.iter().all(|line| line.len() <= MAX_LINE + SECRET.len()));
                assert_eq!(all.concat(), text.trim_end(), "nothing is lost");
            }
        }
    }

    #[test]
    fn lines_and_contexts_are_without_secrets_before_they_are_escaped() {
        let secret = "multi\u{7}line\nsecret";
        let forms = crate::types::redact::Forms::of(secret).expect("few forms");
        let mut log = log(1000).redacting(Redactor::new([Arc::new(forms)]));
        log.push(Level::Info, secret, &format!("it is {secret}!"));
        let line = log.take_lines().remove(0);
        assert_eq!(
            (&*line.context, &*line.message),
            ("[secret]", "it is [secret]!")
        );
    }
}
