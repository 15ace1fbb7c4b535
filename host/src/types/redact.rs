//! Takes secrets out of texts.
//!
//! ```text
//! a secret ─▶ Forms: itself, encoded, its lines   (once, at the start)
//!                │
//! a text ─▶ Redactor: where any of them occurs ─▶ the text with `[secret]` there
//! ```
//!
//! This is for accidents: a handler that prints its configuration, a library that
//! puts a URL into its error. A handler that wants to give its secret away can turn
//! it into something that nobody recognises.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, Input};

use super::encodings;

/// What stands where a secret was. No longer than the shortest form, so that a
/// text never grows.
pub const MARK: &str = "[secret]";

/// The shortest text that is redacted: anything shorter is in half of all texts by
/// chance.
pub const SHORTEST: usize = MARK.len();

/// The ways in which one secret may be written.
#[derive(Clone)]
pub struct Forms {
    find: AhoCorasick,
    longest: usize,
}

impl Forms {
    /// Those of this secret. Upper and lower case are the same: hosts and digits of
    /// hexadecimal numbers come in both.
    ///
    /// # Errors
    /// When there are too many for one automaton, which no bounded secret has.
    pub fn of(secret: &str) -> Result<Self, BuildError> {
        let mut forms = encodings::of(secret);
        forms.retain(|form| form.len() >= SHORTEST);
        let longest = forms.iter().map(String::len).max().unwrap_or(0);
        let find = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&forms)?;
        Ok(Self { find, longest })
    }
}

impl fmt::Debug for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forms(…)")
    }
}

/// Takes some secrets out of texts. Without secrets it does nothing at all.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    secrets: Vec<Arc<Forms>>,
}

impl Redactor {
    /// One for these secrets.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = Arc<Forms>>) -> Self {
        let mut all: Vec<Arc<Forms>> = Vec::new();
        for forms in secrets {
            if !all.iter().any(|known| Arc::ptr_eq(known, &forms)) {
                all.push(forms);
            }
        }
        Self { secrets: all }
    }

    /// Whether there is nothing to take out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// The text without the secrets.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // Whole characters were replaced by whole characters.
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// The same for a text that isn't needed any more.
    #[must_use]
    pub fn owned(&self, text: String) -> String {
        match self.text(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(redacted) => redacted,
        }
    }

    /// The same for bytes.
    #[must_use]
    pub fn bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let found = self.find(bytes);
        if found.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let mut clean = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for Range { start, end } in found {
            clean.extend_from_slice(&bytes[from..start]);
            clean.extend_from_slice(MARK.as_bytes());
            from = end;
        }
        clean.extend_from_slice(&bytes[from..]);
        Cow::Owned(clean)
    }

    /// The length of the longest form: how much of a stream has to be seen to
    /// know that none begins before some point.
    #[must_use]
    pub fn longest(&self) -> usize {
        let lengths = self.secrets.iter().map(|forms| forms.longest);
        lengths.max().unwrap_or(0)
    }

    /// Where to cut a text near `at`, so that no secret is cut into two halves
    /// that nobody recognises: before the one that stands there, or behind it if
    /// nothing is before it.
    #[must_use]
    pub fn cut(&self, bytes: &[u8], at: usize) -> usize {
        let found = self.find(bytes);
        let across = found
            .into_iter()
            .find(|range| range.start < at && at < range.end);
        match across {
            None => at,
            Some(Range { start: 0, end }) => end,
            Some(Range { start, .. }) => start,
        }
    }

    /// Where secrets are, in order; those that overlap are one.
    fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut all = Vec::new();
        for forms in &self.secrets {
            // By their ends, so that each can only reach back into the last ones.
            let mut of_one = Vec::new();
            for found in forms.find.find_overlapping_iter(Input::new(bytes)) {
                join(&mut of_one, found.range());
            }
            all.append(&mut of_one);
        }
        if self.secrets.len() > 1 {
            all.sort_by_key(|range| range.end);
            let apart = std::mem::take(&mut all);
            apart.into_iter().for_each(|range| join(&mut all, range));
        }
        all
    }
}

/// Adds a range that ends behind all others.
fn join(all: &mut Vec<Range<usize>>, mut range: Range<usize>) {
    while let Some(last) = all.pop_if(|last| last.end > range.start) {
        range.start = range.start.min(last.start);
        range.end = range.end.max(last.end);
    }
    all.push(range);
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
