//! Every way in which a request can fail, with its answer.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::auth::Unauthorized;
use crate::journal::JournalError;
use crate::types::envelope::NotAnEvent;

/// A request that isn't answered 200.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Problem {
    /// The webhook listener: no such path. Says where there is one.
    #[error("there is nothing at this path; webhooks are posted to {0}")]
    NotFound(Arc<str>),
    /// The path, but another method.
    #[error("this path answers {allow} only")]
    MethodNotAllowed {
        /// The method that it answers.
        allow: &'static str,
    },
    /// The body, declared or sent.
    #[error("the body is larger than {limit} bytes, the most that is taken")]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// An explicit content type that isn't JSON.
    #[error("the content type is {found:?}; send application/json, or none")]
    ContentType {
        /// What was sent.
        found: String,
    },
    /// No scheme accepts it.
    #[error("{0}")]
    Unauthorized(#[from] Unauthorized),
    /// The body isn't an event.
    #[error("{0}")]
    NotAnEvent(#[from] NotAnEvent),
    /// The body took too long.
    #[error("the body did not come in within {seconds} s")]
    Timeout {
        /// The bound.
        seconds: u64,
    },
    /// The connection broke in the body.
    #[error("the body could not be read: {0}")]
    Incomplete(String),
    /// Too many requests at once.
    #[error("too many requests at once; send this one again")]
    Overloaded,
    /// The event isn't known to be stored.
    #[error("{0}; send the event again")]
    NotStored(#[from] JournalError),
    /// Not ready to handle events.
    #[error("{0}")]
    NotReady(String),
    /// A parameter of the admin API.
    #[error("{0}")]
    BadRequest(String),
    /// The admin listener: no or a wrong token.
    #[error("this needs the header `Authorization: Bearer` with the configured admin token")]
    NeedsToken,
    /// The admin listener without a token, asked by a name that isn't local.
    #[error("the Host header must name this machine itself (localhost, 127.0.0.1)")]
    ForeignHost,
    /// The admin listener, asked to change something by another site's page.
    #[error("the Origin header names another site: nothing is changed on behalf of its pages")]
    ForeignOrigin,
    /// The admin listener, asked to change something without saying that it is
    /// JSON, which a page of another site can't say.
    #[error("this changes something and needs the header `Content-Type: application/json`")]
    NeedsJson,
    /// The admin API: no such thing.
    #[error("there is no {0}")]
    NoSuch(String),
    /// The admin API: it is there, but not in a state for this.
    #[error("{0}")]
    Refused(String),
    /// The admin API: the journal did not do it.
    #[error("{0}")]
    Store(JournalError),
}

impl Problem {
    /// The answer's status and the error's code.
    #[must_use]
    pub fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::ContentType { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type"),
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NotAnEvent(error) => (StatusCode::BAD_REQUEST, error.code()),
            Self::Timeout { .. } => (StatusCode::BAD_REQUEST, "timeout"),
            Self::Incomplete(_) => (StatusCode::BAD_REQUEST, "incomplete_body"),
            Self::Overloaded => (StatusCode::TOO_MANY_REQUESTS, "overloaded"),
            Self::NotStored(error) => (StatusCode::SERVICE_UNAVAILABLE, store_code(error)),
            Self::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::NeedsToken => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::ForeignHost => (StatusCode::FORBIDDEN, "foreign_host"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign_origin"),
            Self::NeedsJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type"),
            Self::NoSuch(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Refused(_) => (StatusCode::CONFLICT, "conflict"),
            Self::Store(error) => (StatusCode::SERVICE_UNAVAILABLE, store_code(error)),
        }
    }

    /// When to try again, in seconds, where that may help.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Self::Overloaded | Self::NotReady(_) => Some(HeaderValue::from_static("1")),
            Self::NotStored(_) | Self::Store(_) => Some(HeaderValue::from_static("5")),
            _ => None,
        }
    }
}

fn store_code(error: &JournalError) -> &'static str {
    match error {
        JournalError::Full(_) => "store_full",
        JournalError::Closed => "shutting_down",
        JournalError::Unconfirmed(_)
        | JournalError::Superseded
        | JournalError::Conflict { .. }
        | JournalError::Quota(_)
        | JournalError::Read(_) => "not_confirmed",
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code) = self.answer();
        let body = serde_json::json!({"error": {"code": code, "message": self.to_string()}});
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds);
        }
        if let Self::MethodNotAllowed { allow } = self {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}
