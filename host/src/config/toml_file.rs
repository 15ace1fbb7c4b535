//! Reads a TOML text into any type, and says what is wrong with it in words
//! that lead to the fix: file, line, key, and the nearest known key.
//!
//! Types derive `Deserialize` with `deny_unknown_fields`; the rest is done here,
//! for `hookbox.toml` and for plugins' manifests alike. The text itself is never
//! repeated: it may hold what should have been a secret.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::types::text;

/// How much of a key and of a message is shown, in characters: both can quote a
/// file that means harm.
const MAX_KEY: usize = 200;
const MAX_MESSAGE: usize = 500;

/// What is wrong in a TOML file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The file.
    pub path: PathBuf,
    /// From 1; nothing where the place isn't known.
    pub line: Option<usize>,
    /// The key, such as `ingest.max_body`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", text::brief(&self.key, MAX_KEY))?;
        }
        f.write_str(&text::brief(&self.message, MAX_MESSAGE))
    }
}

impl std::error::Error for Diagnosis {}

/// Reads `text`; `path` is for the messages only.
///
/// # Errors
/// When it isn't TOML or doesn't fit `T`: with the first problem's place.
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, Diagnosis> {
    let diagnosis = |error: &toml::de::Error, key: String| Diagnosis {
        path: path.to_owned(),
        line: error.span().map(|span| line_of(text, span.start)),
        key,
        message: explain(error.message()),
    };
    let reader =
        toml::Deserializer::parse(text).map_err(|error| diagnosis(&error, String::new()))?;
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let key = match error.path().to_string() {
            whole if whole == "." => String::new(),
            key => key,
        };
        diagnosis(error.inner(), key)
    })
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|&&byte| byte == b'\n').count() + 1
}

/// Makes serde's message one for people: an unknown key or word names the nearest
/// known one.
fn explain(message: &str) -> String {
    let one_line = message.lines().collect::<Vec<_>>().join("; ");
    if one_line == "invalid type: map, expected a sequence" {
        return "this is a list: write its entries with double brackets, `[[…]]`".to_owned();
    }
    for name in ["usize", "u64", "u32"] {
        if let Some(what) = one_line.strip_suffix(&format!("expected {name}")) {
            return format!("{what}expected a whole number");
        }
    }
    let (what, rest) = if let Some(rest) = one_line.strip_prefix("unknown field ") {
        ("key", rest)
    } else if let Some(rest) = one_line.strip_prefix("unknown variant ") {
        ("word", rest)
    } else {
        return one_line;
    };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let Some(found) = quoted.next() else {
        return one_line;
    };
    let known: Vec<&str> = quoted.collect();
    match nearest(found, &known) {
        Some(near) => format!("unknown {what} `{found}`; did you mean `{near}`?"),
        None if known.is_empty() => format!("unknown {what} `{found}`"),
        None => format!("unknown {what} `{found}`; known here: {}", known.join(", ")),
    }
}

/// The known word that is most like `found`, if one is like it at all.
#[must_use]
pub fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|&word| (strsim::jaro_winkler(found, word), word))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}
