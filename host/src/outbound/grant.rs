//! `[http] allow` of a plugin's manifest: the requests that it may send.
//!
//! An entry is a method and a place, or a place alone for any method:
//!
//! | entry | allows |
//! | --- | --- |
//! | `POST https://hooks.slack.com/services/` | that method, below that path |
//! | `https://api.example.com:8443/v1` | `/v1` and what is below it, not `/v10` |
//! | `api.example.com` | https on port 443, any path |
//! | `*.example.com` | the hosts below `example.com`, not itself |
//! | `http://legacy.example.com` | without TLS: only where it is written so |

use url::Host;

use super::target::{Target, Unfit, check_method};

/// How often a path may be percent-encoded.
const DECODINGS: usize = 4;

/// What a plugin may send. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    rules: Vec<Rule>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// Any if `None`.
    method: Option<String>,
    https: bool,
    host: HostRule,
    port: u16,
    /// Where allowed paths begin; `/` for all.
    path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostRule {
    Exactly(Host<String>),
    /// The hosts below this domain.
    Below(String),
}

/// An entry that isn't taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of the list: {why}")]
pub struct GrantError {
    /// Which entry, from 1. Not its text: a webhook's URL is a secret.
    pub number: usize,
    /// What is wrong.
    pub why: Misfit,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// No request could be like that.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Too many words.
    #[error("write a method and a URL, such as \"POST https://api.example.com/v1/\"")]
    Words,
    /// A query or fragment.
    #[error("an entry ends with the path: leave out what follows '?' or '#'")]
    Query,
    /// `*` elsewhere, or above too much.
    #[error(
        "'*' stands only for the first part of a domain with two more parts, such as *.example.com"
    )]
    Wildcard,
    /// Another way to write an address.
    #[error("write the address in its usual form")]
    Address,
    /// A path that hides another one.
    #[error("the path must not hold encoded slashes or dots that step up")]
    Path,
}

/// A request that isn't allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The manifest doesn't say so.
    #[error("the manifest doesn't allow this request: add {line} to it")]
    NotGranted {
        /// The line of the manifest that would allow it; without what may be
        /// secret in the URL.
        line: String,
    },
    /// No manifest can allow it.
    #[error("this request can't be sent: {0}")]
    Unfit(#[from] Unfit),
}

impl Grants {
    /// Reads the entries of a manifest.
    ///
    /// # Errors
    /// The first one that isn't taken.
    pub fn parse(entries: &[String]) -> Result<Self, GrantError> {
        let rule = |(at, entry): (usize, &String)| {
            Rule::parse(entry).map_err(|why| GrantError {
                number: at + 1,
                why,
            })
        };
        let rules = entries.iter().enumerate().map(rule);
        let rules = rules.collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether the plugin may send this.
    ///
    /// # Errors
    /// With the line that would allow it.
    pub fn check(&self, method: &str, url: &str) -> Result<(), Denied> {
        self.check_target(method, &Target::parse(url)?)
    }

    /// As [`Grants::check`], for a URL that was read already.
    ///
    /// # Errors
    /// As there.
    pub fn check_target(&self, method: &str, target: &Target) -> Result<(), Denied> {
        check_method(method)?;
        if self.rules.iter().any(|rule| rule.allows(method, target)) {
            return Ok(());
        }
        Err(Denied::NotGranted {
            line: format!("[http] allow = [\"{}\"]", entry_for(method, target)),
        })
    }
}

impl Rule {
    fn parse(entry: &str) -> Result<Self, Misfit> {
        let mut words = entry.split_whitespace();
        let (method, place) = match (words.next(), words.next(), words.next()) {
            (Some(place), None, None) => (None, place),
            (Some(method), Some(place), None) => {
                check_method(method)?;
                (Some(method.to_owned()), place)
            }
            _ => return Err(Misfit::Words),
        };
        let (below, url) = without_wildcard(place)?;
        let target = Target::parse(&url)?;
        if target.has_query_or_fragment() {
            return Err(Misfit::Query);
        }
        if steps_up(target.path()) {
            return Err(Misfit::Path);
        }
        let host = match target.host() {
            Host::Domain(domain) if below => {
                if !domain.contains('.') {
                    return Err(Misfit::Wildcard);
                }
                HostRule::Below(domain.clone())
            }
            _ if below => return Err(Misfit::Wildcard),
            Host::Domain(domain) => HostRule::Exactly(Host::Domain(domain.clone())),
            address => {
                if !place.contains(&address.to_string()) {
                    return Err(Misfit::Address);
                }
                HostRule::Exactly(address.clone())
            }
        };
        Ok(Self {
            method,
            https: target.is_https(),
            host,
            port: target.port(),
            path: target.path().to_owned(),
        })
    }

    fn allows(&self, method: &str, target: &Target) -> bool {
        self.method.as_deref().is_none_or(|own| own == method)
            && self.https == target.is_https()
            && self.port == target.port()
            && self.host.allows(target.host())
            && covers(&self.path, target.path())
    }
}

impl HostRule {
    fn allows(&self, host: &Host<String>) -> bool {
        match (self, host) {
            (Self::Exactly(own), host) => own == host,
            (Self::Below(parent), Host::Domain(domain)) => domain
                .strip_suffix(parent.as_str())
                .is_some_and(|labels| labels.len() > 1 && labels.ends_with('.')),
            (Self::Below(_), _) => false,
        }
    }
}

/// Takes `*.` off the host, and puts `https://` before a place without a scheme.
fn without_wildcard(place: &str) -> Result<(bool, String), Misfit> {
    let (scheme, rest) = place.split_once("://").unwrap_or(("https", place));
    let (below, rest) = match rest.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let host_end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    if rest[..host_end].contains('*') {
        return Err(Misfit::Wildcard);
    }
    Ok((below, format!("{scheme}://{rest}")))
}

/// Whether `path` is the prefix or below it, for every server: one that decodes
/// or splits paths in its own way must not find itself elsewhere.
fn covers(prefix: &str, path: &str) -> bool {
    if prefix == "/" {
        return true;
    }
    let below = match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'),
        None => false,
    };
    below && !steps_up(path)
}

/// Whether some server could read the path as one with `..`: encoded, encoded
/// twice, with `\` as a slash, or with parameters (`..;x`). What is encoded more
/// often than [`DECODINGS`] times counts as such: nobody means that well, and each
/// look costs time.
fn steps_up(path: &str) -> bool {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..=DECODINGS {
        let segments = bytes.split(|byte| matches!(byte, b'/' | b'\\'));
        let name = |segment: &[u8]| {
            let end = segment.iter().position(|&byte| byte == b';');
            let name = &segment[..end.unwrap_or(segment.len())];
            matches!(name, b"." | b"..")
        };
        if segments.into_iter().any(name) {
            return true;
        }
        let decoded = percent_decoded(&bytes);
        if decoded == bytes {
            return false;
        }
        bytes = decoded;
    }
    true
}

/// Decodes once; gets shorter or stays as it is.
fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| {
        let byte = bytes.get(at).copied()?;
        char::from(byte).to_digit(16).map(|digit| digit as u8)
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// The entry that would allow a request: its origin, and the first part of its
/// path if that is a word or version (`/services/…`, `/v1/…`), not what may be a
/// token (`/bot123:abc/…`, `/9f86d081/…`).
fn entry_for(method: &str, target: &Target) -> String {
    let origin = target.origin();
    let mut parts = target.path().split('/').skip(1);
    let letter = |c: u8| c.is_ascii_lowercase() || c == b'-';
    let word = |part: &str| {
        let name = match part.strip_prefix('v') {
            Some(version) => version.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => part,
        };
        (1..=12).contains(&part.len()) && name.bytes().all(letter)
    };
    match (parts.next(), parts.next()) {
        (Some(first), Some(_)) if word(first) && !steps_up(target.path()) => {
            format!("{method} {origin}/{first}/")
        }
        _ => format!("{method} {origin}/"),
    }
}

#[cfg(test)]
#[path = "grant_tests.rs"]
mod tests;
