//! HTTP requests that the host sends once the handler's outcome is stored.
//!
//! ```
//! use hookbox_sdk::prelude::*;
//! use hookbox_sdk::serde_json::json;
//!
//! # fn handle(event: RoomJoin) -> Outcome {
//! let message = json!({ "text": format!("Somebody is in {}", event.room_name) });
//! outbox::send(outbox::Request::post("https://hooks.example.com/in").json(&message)?)?;
//! # Ok(())
//! # }
//! ```
//!
//! Each request is queued exactly once, if the handler answers `Ok`, and sent at
//! least once: the host repeats it until it is answered, always under the same
//! `Idempotency-Key` header, by which the other side can tell a repetition. The
//! answer doesn't come back to the plugin. The manifest has to allow it, under
//! `[http] allow`, and redirects aren't followed.
//!
//! Limits: 16 requests for one event, 1 MiB for a body, 8 KiB for a URL, 64 headers
//! of 16 KiB together.

use std::fmt;

use crate::HandlerError;
use crate::request::request_methods;

/// Why a request was not queued.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The manifest doesn't allow it; the text says which line would.
    Denied(String),
    /// It is no request: a malformed URL, method or header.
    Invalid(String),
    /// Too large, or too many for one event.
    Limit(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(reason) | Self::Invalid(reason) | Self::Limit(reason)) = self;
        write!(f, "outbox: {reason}")
    }
}

impl std::error::Error for Error {}

impl From<Error> for HandlerError {
    fn from(error: Error) -> Self {
        Self::reject(error)
    }
}

/// A request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// Names and values. The host adds `Host`, `Content-Length` and
    /// `Idempotency-Key`.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Vec<u8>,
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
        }
    }

    request_methods!();
}

/// Queues a request.
///
/// # Errors
/// When it is not allowed, not well-formed or over a limit. With `?` in a handler
/// that is a reject: the operator has to change the manifest, or you the plugin.
pub fn send(request: Request) -> Result<(), Error> {
    source::send(request)
}

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::outbox as source;
#[cfg(target_arch = "wasm32")]
use crate::wasm::outbox as source;
