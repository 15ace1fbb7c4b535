//! The ways in which programs write a text that they were given as it is: inside
//! a URL, a JSON text, a header. Pure.

use std::fmt::Write as _;

use url::{Position, Url};

/// The letters of base64, but for the last two.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// All of them, each once: the text itself first.
pub(super) fn of(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let mut parts = vec![secret.to_owned()];
    parts.extend(in_url(secret));
    for part in parts {
        forms.extend(escaped(&part));
        forms.extend(base64(part.as_bytes()));
        forms.push(hex(part.as_bytes()));
        forms.push(part);
    }
    // A stream of output is cut at line ends.
    let lines = secret.lines().map(str::trim);
    forms.extend(lines.map(str::to_owned));
    forms.sort();
    forms.dedup();
    forms
}

/// What of a URL is a secret, and may be shown without the rest.
fn in_url(secret: &str) -> Vec<String> {
    let Ok(url) = Url::parse(secret) else {
        return Vec::new();
    };
    if !url.has_host() {
        return Vec::new();
    }
    let tail = &url[Position::BeforePath..];
    let user = &url[Position::BeforeUsername..Position::AfterPassword];
    let password = url.password().unwrap_or_default();
    [
        url.as_str(),
        tail,
        tail.trim_start_matches('/'),
        user,
        password,
    ]
    .map(str::to_owned)
    .into()
}

/// In the body of a JSON text, in Rust's `{:?}`, in a URL.
fn escaped(text: &str) -> Vec<String> {
    let json = serde_json::Value::from(text).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let component = move |byte| unreserved(byte) || b"!'()*".contains(&byte);
    let path = move |byte: u8| byte.is_ascii_graphic() && !b"\"#<>?`{}".contains(&byte);
    let query = move |byte: u8| byte.is_ascii_graphic() && !b"\"#<>'".contains(&byte);
    let form = |byte: u8| byte.is_ascii_alphanumeric() || b"*-._ ".contains(&byte);
    // Python's `quote` and JavaScript's `encodeURI`.
    let quote = move |byte| unreserved(byte) || byte == b'/';
    let uri = move |byte| component(byte) || b";,/?:@&=+$#".contains(&byte);
    vec![
        json.replace('/', "\\/"),
        // Go's, Python's and PHP's.
        numbered(&json, |c| "<>&".contains(c)),
        numbered(&json, |c| !c.is_ascii()),
        numbered(&json, |c| !c.is_ascii()).replace('/', "\\/"),
        json,
        percent(text, quote),
        percent(text, uri),
        text.escape_debug().to_string(),
        percent(text, unreserved),
        percent(text, component),
        percent(text, path),
        percent(text, query),
        percent(text, form).replace(' ', "+"),
    ]
}

/// The body of a JSON text with these characters by their numbers.
fn numbered(json: &str, which: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if !which(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

fn percent(text: &str, stays: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii() && stays(byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a string doesn't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// In both alphabets, and as part of a longer text: what stands before it moves
/// it by no, one or two bytes, and the letters that it shares with its neighbours
/// are left out.
fn base64(bytes: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for last in [b"+/", b"-_"] {
        for before in 0..3 {
            let mut padded = vec![0; before];
            padded.extend_from_slice(bytes);
            let whole = padded.len() * 8 / 6;
            let from = (before * 8).div_ceil(6);
            let letter = |at: usize| char::from(letter(&padded, at, last));
            forms.push((from..whole).map(letter).collect());
        }
    }
    forms
}

/// The letter for the six bits at `6 * at`.
fn letter(bytes: &[u8], at: usize, last: &[u8; 2]) -> u8 {
    let (byte, bit) = (at * 6 / 8, at * 6 % 8);
    let next = bytes.get(byte + 1).copied().unwrap_or(0);
    let both = u16::from_be_bytes([bytes[byte], next]);
    let value = usize::from(both >> (10 - bit) & 63);
    match LETTERS.get(value) {
        Some(&letter) => letter,
        None => last[value - LETTERS.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_the_letters_that_belong_to_the_text_alone() {
        let forms = base64(b"Many hands?>");
        // "Many hands?>", "xMany hands?>" and "xxMany hands?>" by another program.
        for (form, whole) in [
            (&forms[0], "TWFueSBoYW5kcz8+"),
            (&forms[1], "eE1hbnkgaGFuZHM/Pg=="),
            (&forms[2], "eHhNYW55IGhhbmRzPz4="),
            (&forms[3], "TWFueSBoYW5kcz8-"),
            (&forms[4], "eE1hbnkgaGFuZHM_Pg=="),
        ] {
            assert!(whole.contains(form.as_str()), "{form} in {whole}");
            assert!(whole.len() - form.len() <= 6, "{form} is most of {whole}");
        }
    }

    #[test]
    fn a_urls_secret_parts_are_forms() {
        let forms = of("https://me:pass-word@Hooks.example.com/services/T0/B0?x=y z");
        for part in [
            "/services/T0/B0?x=y%20z",
            "pass-word",
            "me:pass-word",
            "https://me:pass-word@hooks.example.com/services/T0/B0?x=y%20z",
        ] {
            assert!(forms.contains(&part.to_owned()), "{part}: {forms:?}");
        }
    }
}
