//! HTTP requests that the handler makes itself and waits for.
//!
//! ```
//! use hookbox_sdk::prelude::*;
//!
//! # fn handle(event: ChatPush) -> Outcome {
//! let answer = http::Request::get("https://api.example.com/v1/orders/17")
//!     .header("accept", "application/json")
//!     .send()?;
//! if answer.status == 200 {
//!     log::info!("the order: {}", answer.text());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The manifest has to allow each request, under `[http] allow`. **Nothing of
//! this is exactly-once**: a handler that runs again, after a retry, a conflict or
//! a crash, makes its requests again. Use it to ask; to tell somebody something,
//! queue the request in the [`outbox`](crate::outbox), which sends it once the
//! handler's outcome is stored.
//!
//! Redirects aren't followed. Limits: 16 requests for one event, 1 MiB for a body in
//! either direction, 8 KiB for a URL, 64 headers of 16 KiB together; and the time
//! that the attempt has.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::HandlerError;
use crate::request::request_methods;

/// Why there is no answer. The attempt's log says more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The manifest doesn't allow it; a line in the log says what would.
    Denied(String),
    /// It is no request: a malformed URL, method or header, or one that only the
    /// host sets.
    Invalid(String),
    /// Too large, or too many for one event.
    Limit(String),
    /// Nobody answered, or not in time. Another attempt may help.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(reason)
        | Self::Invalid(reason)
        | Self::Limit(reason)
        | Self::Failed(reason)) = self;
        write!(f, "http: {reason}")
    }
}

impl std::error::Error for Error {}

impl From<Error> for HandlerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Failed(_) => Self::retry(error),
            _ => Self::reject(error),
        }
    }
}

/// A request to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// Names and values. The host adds `Host` and `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Vec<u8>,
    /// The longest wait for the connection, the answer and each part of it. The
    /// host's own limits count as well.
    pub timeout: Option<Duration>,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
        }
    }

    request_methods!();

    /// Waits no longer than this for each part.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Makes the request and reads the whole answer. An answer is one whatever its
    /// status.
    ///
    /// # Errors
    /// When there is no answer. With `?` in a handler that is a retry if another
    /// attempt may help, and else a reject.
    pub fn send(self) -> Result<Response, Error> {
        source::send(self)
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let own = |(own, _): &&(String, Vec<u8>)| own.eq_ignore_ascii_case(name);
        let (_, value) = self.headers.iter().find(own)?;
        std::str::from_utf8(value).ok()
    }

    /// The body as text; what isn't UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it isn't, or doesn't fit `T`. With `?` in a handler that is a reject.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// Scheme, host with port, and path with query of an absolute URL.
#[cfg_attr(
    not(any(target_arch = "wasm32", test)),
    expect(dead_code, reason = "native runs match the URL as a whole")
)]
pub(crate) fn split(url: &str) -> Option<(bool, &str, String)> {
    let (https, rest) = match url.split_once("://")? {
        (scheme, rest) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        (scheme, rest) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        _ => return None,
    };
    let rest = rest.split('#').next()?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let slash = if path.starts_with('/') { "" } else { "/" };
    (!authority.is_empty()).then(|| (https, authority, format!("{slash}{path}")))
}

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::http as source;
#[cfg(target_arch = "wasm32")]
use crate::wasm::http as source;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_comes_apart_where_its_host_ends() {
        for (url, parts) in [
            ("https://a.b", Some((true, "a.b", "/"))),
            (
                "HTTP://a.b:8080/c?d=e#f",
                Some((false, "a.b:8080", "/c?d=e")),
            ),
            ("https://a.b?c=/d", Some((true, "a.b", "/?c=/d"))),
            ("https:///a", None),
            ("ftp://a.b/", None),
            ("a.b/c", None),
        ] {
            let parts = parts.map(|(https, host, path)| (https, host, path.to_owned()));
            assert_eq!(split(url), parts, "{url}");
        }
    }
}
