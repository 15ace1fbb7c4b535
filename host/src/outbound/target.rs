//! Where a request goes, read once: what is checked is what is sent.
//!
//! URLs are read by the WHATWG parser, which knows the ways to write one place
//! differently (`0x7f.1`, `%65xample`, `/a/../b`, `\`, upper case, IDN) and turns
//! all of them into one. What is left after that and could still be read in two
//! ways is refused.

use std::fmt;

use url::{Host, Url};

/// Why a request can't be sent, whatever is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The method isn't one that is sent.
    #[error("the method must be upper-case letters, such as POST, and neither CONNECT nor TRACE")]
    Method,
    /// Not an absolute URL.
    #[error(
        "the URL can't be read: it must be absolute, such as https://api.example.com/v1/things"
    )]
    Url,
    /// Another scheme.
    #[error("only https:// and http:// URLs can be requested")]
    Scheme,
    /// `user:password@`
    #[error("the URL names a user or password: put them into a header")]
    UserInfo,
    /// Not a plain domain or address.
    #[error("the URL's host is neither a domain of letters, digits, '-' and '_' nor an address")]
    Host,
}

/// The way to a resource.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    host: Host<String>,
    port: u16,
}

impl Target {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// When it isn't one that can be requested.
    pub fn parse(url: &str) -> Result<Self, Unfit> {
        let url = Url::parse(url).map_err(|_| Unfit::Url)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Unfit::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Unfit::UserInfo);
        }
        let host = url.host().ok_or(Unfit::Url)?.to_owned();
        if let Host::Domain(domain) = &host
            && !is_domain(domain)
        {
            return Err(Unfit::Host);
        }
        let port = url.port_or_known_default().ok_or(Unfit::Url)?;
        Ok(Self { url, host, port })
    }

    /// Whether it is to be requested over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The domain, in lower case and ASCII, or the address.
    #[must_use]
    pub fn host(&self) -> &Host<String> {
        &self.host
    }

    /// The port, the scheme's own if none is written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path, without query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// Path and query, as in a request's first line.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }

    /// Host and port as in the header `Host`: without the scheme's own port.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.url[url::Position::BeforeHost..url::Position::AfterPort]
    }

    /// Scheme, host and port: what may be shown, since it holds no secret.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.url[..url::Position::BeforePath]
    }

    pub(super) fn has_query_or_fragment(&self) -> bool {
        self.url.query().is_some() || self.url.fragment().is_some()
    }
}

/// Without path and query, which may be secret.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.origin()).finish()
    }
}

/// Whether a method can be sent: no tunnels, and no echo of what the host adds.
///
/// # Errors
/// When it can't.
pub fn check_method(method: &str) -> Result<(), Unfit> {
    let letters = |c: u8| c.is_ascii_uppercase() || c == b'-';
    let good = !method.is_empty() && method.len() <= 32 && method.bytes().all(letters);
    if good && !matches!(method, "CONNECT" | "TRACE") {
        Ok(())
    } else {
        Err(Unfit::Method)
    }
}

/// Whether a domain reads the same for everyone: labels of letters, digits, `-`
/// and `_`, without a dot at the end.
fn is_domain(domain: &str) -> bool {
    let letter = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(letter);
    domain.len() <= 253 && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_form() {
        for (written, authority, path) in [
            ("https://API.Example.com:443/v1", "api.example.com", "/v1"),
            ("https://api%2Eexample.com", "api.example.com", "/"),
            ("http://0x7f.1/", "127.0.0.1", "/"),
            ("http://2130706433:8080/", "127.0.0.1:8080", "/"),
            ("http://[::FFFF:7f00:1]/", "[::ffff:7f00:1]", "/"),
            ("https:\\\\a.b\\c\\..\\d", "a.b", "/d"),
            ("https://a.b/x/%2e%2E/y?q=1#f", "a.b", "/y?q=1"),
            ("https://bücher.example/", "xn--bcher-kva.example", "/"),
            ("https://a.b\u{3002}c/", "a.b.c", "/"),
            ("https://a.\tb/", "a.b", "/"),
        ] {
            let target = Target::parse(written).expect(written);
            assert_eq!(target.authority(), authority, "{written}");
            assert_eq!(target.path_and_query(), path, "{written}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (written, why) in [
            ("", Unfit::Url),
            ("/relative", Unfit::Url),
            ("https://", Unfit::Url),
            ("https://a b/", Unfit::Url),
            ("https://a.b:99999/", Unfit::Url),
            ("ftp://a.b/", Unfit::Scheme),
            ("file:///etc/passwd", Unfit::Scheme),
            ("https://good.com@evil.com/", Unfit::UserInfo),
            ("https://:x@evil.com/", Unfit::UserInfo),
            ("https://a.b./", Unfit::Host),
            ("https://a..b/", Unfit::Host),
            ("https://*.b.c/", Unfit::Host),
            ("https://a\"b/", Unfit::Host),
        ] {
            assert_eq!(Target::parse(written), Err(why), "{written}");
        }
    }

    #[test]
    fn methods_are_upper_case_letters_without_tunnels() {
        for good in ["GET", "POST", "M-SEARCH"] {
            assert_eq!(check_method(good), Ok(()));
        }
        for bad in ["", "post", "GET /", "GET\r\nX: y", "CONNECT", "TRACE", "Ä"] {
            assert_eq!(check_method(bad), Err(Unfit::Method), "{bad}");
        }
    }
}
