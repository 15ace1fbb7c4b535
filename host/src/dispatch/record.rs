//! What an attempt logged, as it is kept with its outcome: bounded, since it
//! stays as long as the event does. The host's own log has all of it.

use crate::sandbox::log::{Level, Line};
use crate::types::effects::LogEntry;

/// How much of an attempt's log is kept, in bytes.
pub(super) const MAX_LOG: usize = 16 << 10;

/// What a line costs on top of its text.
const LINE_COST: usize = 32;

/// The beginning of the log; a last line says how much is left out.
pub(super) fn kept(lines: Vec<Line>) -> Vec<LogEntry> {
    let mut left = MAX_LOG;
    let mut entries = Vec::new();
    let (mut lines_out, mut bytes_out) = (0usize, 0usize);
    for line in lines {
        let Line {
            level,
            context,
            mut message,
        } = line;
        let room = left.saturating_sub(LINE_COST + context.len());
        if lines_out > 0 || room == 0 {
            left = 0;
            lines_out += 1;
            bytes_out += message.len();
            continue;
        }
        if message.len() > room {
            let cut = message.floor_char_boundary(room);
            lines_out += 1;
            bytes_out += message.len() - cut;
            message.truncate(cut);
        }
        left = room.saturating_sub(message.len());
        entries.push(LogEntry {
            level: name(level).into(),
            context,
            message,
        });
    }
    if lines_out > 0 {
        entries.push(LogEntry {
            level: name(Level::Warn).into(),
            context: "hookbox".into(),
            message: format!(
                "{bytes_out} bytes of {lines_out} more lines are left out here; the host's log has them"
            ),
        });
    }
    entries
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> Line {
        Line {
            level: Level::Info,
            context: "stdout".into(),
            message: message.into(),
        }
    }

    #[test]
    fn a_short_log_is_kept_whole() {
        let entries = kept(vec![line("one"), line("two")]);
        let messages: Vec<_> = entries.iter().map(|entry| &*entry.message).collect();
        assert_eq!(messages, ["one", "two"]);
        assert_eq!(entries[0].level, "info");
    }

    #[test]
    fn a_long_log_is_cut_and_its_last_line_says_how_much_is_left_out() {
        let entries = kept(vec![line("x"); 10_000]);
        let size = entries.iter().map(|entry| entry.message.len() + LINE_COST);
        assert!(size.sum::<usize>() < MAX_LOG + 200);
        let lines_out = 10_000 - (entries.len() - 1);
        let last = entries.last().expect("there are lines");
        let says = format!("{lines_out} bytes of {lines_out} more lines");
        assert!(last.message.starts_with(&says), "{}", last.message);
    }

    #[test]
    fn one_endless_line_is_cut_between_characters() {
        let entries = kept(vec![line(&"ä".repeat(MAX_LOG)), line("the end")]);
        assert_eq!(entries.len(), 2);
        let (cut, last) = (&entries[0].message, &entries[1].message);
        assert!(cut.len() <= MAX_LOG && cut.chars().all(|c| c == 'ä'));
        let out = 2 * MAX_LOG - cut.len() + "the end".len();
        assert!(
            last.starts_with(&format!("{out} bytes of 2 more lines")),
            "{last}"
        );
    }
}
