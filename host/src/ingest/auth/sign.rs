//! The provider's signatures. The one place that makes them: ingest compares
//! with what comes in, `send` and the tests send them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Carries the signature, of either scheme. Names of headers ignore case.
pub const SIGNATURE: &str = "x-bithuman-signature";
/// Carries the signed moment, in whole Unix seconds.
pub const TIMESTAMP: &str = "x-bithuman-timestamp";
/// Repeats an account event's type.
pub const EVENT: &str = "x-bithuman-event";
/// Repeats an account event's id.
pub const DELIVERY: &str = "x-bithuman-delivery";

/// The value of [`SIGNATURE`] for a body signed as it is.
#[must_use]
pub fn signature(secret: &[u8], body: &[u8]) -> String {
    encode(&mac(secret, &[body]))
}

/// The value of [`SIGNATURE`] for a body signed together with the text of
/// [`TIMESTAMP`].
#[must_use]
pub fn timestamped_signature(secret: &[u8], timestamp: &str, body: &[u8]) -> String {
    encode(&mac(secret, &[timestamp.as_bytes(), b".", body]))
}

pub(super) fn mac(secret: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn encode(mac: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    mac.iter().fold("sha256=".to_owned(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of `sha256=<64 hex digits>`, or nothing for another text.
pub(super) fn decode(value: &[u8]) -> Option<[u8; 32]> {
    let digits = value.strip_prefix(b"sha256=")?;
    if digits.len() != 64 {
        return None;
    }
    let mut mac = [0; 32];
    for (byte, pair) in mac.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(mac)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
