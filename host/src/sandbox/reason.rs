//! Reasons of failures, made fit for the log and the store: a handler chooses
//! much of their text.

use super::log::printable;
use super::verdict::{Failure, Verdict};
use crate::types::Redactor;

/// The longest reason, in bytes, but for the note that it was cut.
pub const MAX_REASON: usize = 2 << 10;

/// The text cut to [`MAX_REASON`], with what is unprintable escaped.
#[must_use]
pub fn reason(text: &str) -> String {
    without(&Redactor::default(), text)
}

/// The same without secrets. They are looked for first: what is cut or escaped
/// isn't recognised any more.
#[must_use]
pub fn without(redactor: &Redactor, text: &str) -> String {
    let seen = text.floor_char_boundary(MAX_REASON + redactor.longest());
    let end = text.floor_char_boundary(MAX_REASON);
    let end = redactor.cut(&text.as_bytes()[..seen], end);
    let clean = printable(&redactor.text(&text[..end]));
    let kept = &clean[..clean.floor_char_boundary(MAX_REASON)];
    if kept.len() == clean.len() && end == text.len() {
        return clean;
    }
    format!("{kept}… (cut: {} bytes in all)", text.len())
}

/// The verdict with its reason made fit. The one place that all verdicts pass.
pub(super) fn tidy(verdict: Verdict, redactor: &Redactor) -> Verdict {
    let reason = |text: &String| without(redactor, text);
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
    use std::sync::Arc;

    use super::*;
    use crate::types::redact::Forms;

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

    #[test]
    fn a_secret_is_taken_out_before_the_reason_is_cut() {
        const SECRET: &str = "s3cret\ntoken";
        let forms = Forms::of(SECRET).expect("few forms");
        let redactor = Redactor::new([Arc::new(forms)]);
        for before in MAX_REASON - 2 * SECRET.len()..MAX_REASON + 1 {
            let text = format!("{}{SECRET}{}", "x".repeat(before), "y".repeat(5000));
            let shown = without(&redactor, &text);
            assert!(!shown.contains("s3"), "{before} bytes before it: {shown}");
        }
        // Many of them leave room, and yet no half of the last one.
        let many = without(&redactor, &SECRET.repeat(1000));
        assert!(!many.contains("s3"), "{many}");
        let verdict = Verdict::Failed(Failure::Trap(format!("oh {SECRET}!")));
        assert_eq!(
            tidy(verdict, &redactor),
            Verdict::Failed(Failure::Trap("oh [secret]!".into()))
        );
    }
}
