//! Reasons of failures, made fit for the log and the store: a handler chooses
//! much of their text.

use super::log::printable;
use super::verdict::{Failure, Verdict};

/// The longest reason, in bytes, but for the note that it was cut.
pub const MAX_REASON: usize = 2 << 10;

/// The text cut to [`MAX_REASON`], with what is unprintable escaped.
#[must_use]
pub fn reason(text: &str) -> String {
    let head = cut(text);
    let clean = printable(head);
    let kept = cut(&clean);
    if kept.len() == clean.len() && head.len() == text.len() {
        return clean;
    }
    format!("{kept}… (cut: {} bytes in all)", text.len())
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_REASON)]
}

/// The verdict with its reason made fit. The one place that all verdicts pass.
pub(super) fn tidy(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Retry { reason: why, delay } => Verdict::Retry {
            reason: reason(&why),
            delay,
        },
        Verdict::Reject { reason: why } => Verdict::Reject {
            reason: reason(&why),
        },
        Verdict::Failed(Failure::Trap(what)) => Verdict::Failed(Failure::Trap(reason(&what))),
        Verdict::Failed(Failure::Limit(what)) => Verdict::Failed(Failure::Limit(reason(&what))),
        Verdict::Failed(Failure::Other(what)) => Verdict::Failed(Failure::Other(reason(&what))),
        plain @ (Verdict::Done
        | Verdict::Failed(_)
        | Verdict::NoRoom
        | Verdict::Conflict { .. }) => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_reason_stays_as_it_is_but_for_control_characters() {
        assert_eq!(reason("no such order: ä"), "no such order: ä");
        assert_eq!(reason("no\nERROR faked"), "no\\u{a}ERROR faked");
    }

    #[test]
    fn a_long_reason_is_cut_between_characters_and_says_so() {
        let long = format!("x{}", "ä".repeat(1 << 20));
        let short = reason(&long);
        assert!(short.len() < MAX_REASON + 64, "{} bytes", short.len());
        assert!(short.ends_with("(cut: 2097153 bytes in all)"), "{short}");
    }

    #[test]
    fn escapes_dont_make_a_reason_longer_than_the_bound() {
        let short = reason(&"\u{202e}".repeat(600));
        assert!(short.len() < MAX_REASON + 64, "{} bytes", short.len());
    }
}
