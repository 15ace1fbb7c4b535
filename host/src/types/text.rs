//! Texts from outside, made harmless for people: a message that quotes hostile
//! bytes must not move the cursor, colour or reorder what an operator reads.

use std::borrow::Cow;

/// Whether a character acts instead of being seen.
#[must_use]
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Marks, embeddings and isolates that reorder a line; line separators.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line: `\n`, `\t` and what else acts are written out.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// As [`plain`], cut after `most` characters.
#[must_use]
pub fn brief(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((cut, _)) => Cow::Owned(format!("{}…", plain(&text[..cut]))),
        None => plain(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(brief("üü\n", 3), "üü\\n");
        assert_eq!(brief("üüü", 2), "üü…");
    }

    #[test]
    fn what_acts_is_written_out() {
        assert_eq!(plain("plain ümläut 字"), "plain ümläut 字");
        assert_eq!(
            plain("a\u{1b}[31m\n\u{202e}b\u{2066}"),
            "a\\u{1b}[31m\\n\\u{202e}b\\u{2066}"
        );
    }
}
