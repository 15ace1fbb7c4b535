//! Texts of events and plugins, made harmless: what comes from outside must not
//! move the cursor, colour or reorder what an operator reads.

use crate::types::text::{acts, plain as plain_text};

/// One line for people: `\n`, `\t` and what else acts are written out.
pub(crate) fn plain(text: &str) -> String {
    plain_text(text).into_owned()
}

/// JSON text for machines and terminals: what acts is only found inside strings
/// (line ends between the lines apart), where it has an escape.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) && c != '\n' {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// A number of bytes for people: `512 B`, `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => {
            let tenths = (bytes >> (shift - 10)) % 1024 * 10 / 1024;
            format!("{}.{tenths} {unit}", bytes >> shift)
        }
        None => format!("{bytes} B"),
    }
}

/// At most `most` characters.
pub(crate) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_the_terminal() {
        assert_eq!(
            plain("a\x1b[2Jb\r\nc\td\u{9b}\u{202e}ä"),
            "a\\u{1b}[2Jb\\r\\nc\\td\\u{9b}\\u{202e}ä"
        );
        assert_eq!(plain("Grüße 🚀"), "Grüße 🚀");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({"a": "\u{9b}31m\u{7f}\u{202e}\n\x1b"});
        let text = json(&format!("{value:#}"));
        assert!(!text.chars().any(|c| acts(c) && c != '\n'), "{text:?}");
        let back: serde_json::Value = serde_json::from_str(&text).expect("still JSON");
        assert_eq!(back, value);
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(short("äöü", 3), "äöü");
        assert_eq!(short("äöüß", 3), "äö…");
    }
}
