//! The first look at a body, before a JSON reader sees it: is it UTF-8, is it
//! too deep, does it hold half a surrogate pair. One pass without recursion, so
//! that a hostile depth costs no more than its bytes.

use std::borrow::Cow;

use super::NotAnEvent;

/// How many arrays and objects may lie inside each other.
pub const MAX_DEPTH: usize = 128;

/// A body that has passed the scan.
pub(super) struct Text<'a> {
    source: &'a str,
    readable: Cow<'a, str>,
}

impl<'a> Text<'a> {
    /// The text to read: the source with each lone surrogate's escape replaced
    /// by `\ufffd`. Same length, same offsets.
    pub(super) fn readable(&self) -> &str {
        &self.readable
    }

    /// The piece of the source at the place of `part`, which must be a piece of
    /// [`Text::readable`].
    pub(super) fn source_of(&self, part: &str) -> &'a str {
        let start = part.as_ptr().addr() - self.readable.as_ptr().addr();
        &self.source[start..start + part.len()]
    }
}

/// Checks a body and makes it readable.
pub(super) fn scan(body: &[u8]) -> Result<Text<'_>, NotAnEvent> {
    let source = std::str::from_utf8(body).map_err(|error| NotAnEvent::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut surrogates = false;
    let mut at = 0;
    while at < body.len() {
        match body[at] {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                surrogates |= surrogate_at(body, at).is_some();
                at += 1;
            }
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    let (line, column) = place(body, at);
                    return Err(NotAnEvent::TooDeep { line, column });
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    let readable = if surrogates {
        Cow::Owned(without_lone_surrogates(source))
    } else {
        Cow::Borrowed(source)
    };
    Ok(Text { source, readable })
}

/// The line and column of an offset, both from 1, columns in bytes.
fn place(body: &[u8], at: usize) -> (usize, usize) {
    let before = &body[..at];
    let line_start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    (line, at - line_start + 1)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// Which half of a surrogate pair is escaped at `at`, if any.
fn surrogate_at(bytes: &[u8], at: usize) -> Option<Half> {
    let [b'\\', b'u', b'd' | b'D', half, x, y] = *bytes.get(at..at + ESCAPE)? else {
        return None;
    };
    if !x.is_ascii_hexdigit() || !y.is_ascii_hexdigit() {
        return None;
    }
    match half {
        b'8' | b'9' | b'a' | b'A' | b'b' | b'B' => Some(Half::High),
        b'c'..=b'f' | b'C'..=b'F' => Some(Half::Low),
        _ => None,
    }
}

/// The length of `\uXXXX`.
const ESCAPE: usize = 6;

fn without_lone_surrogates(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut readable = String::with_capacity(source.len());
    let mut copied = 0;
    let mut in_string = false;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => in_string = !in_string,
            b'\\' if in_string => match surrogate_at(bytes, at) {
                None => at += 1,
                Some(Half::High) if surrogate_at(bytes, at + ESCAPE) == Some(Half::Low) => {
                    at += 2 * ESCAPE - 1;
                }
                Some(_) => {
                    readable.push_str(&source[copied..at]);
                    readable.push_str("\\ufffd");
                    copied = at + ESCAPE;
                    at += ESCAPE - 1;
                }
            },
            _ => {}
        }
        at += 1;
    }
    readable.push_str(&source[copied..]);
    readable
}
