//! Why a request isn't made or has no answer: in a code for the handler, and in
//! words for its author, in the attempt's log.

use std::io::ErrorKind;
use std::time::Duration;

use hyper::{HeaderMap, Method};
use wasmtime_wasi_http::Error;

use super::super::log::Level;
use super::super::request::{MAX_HEADER_COUNT, MAX_HEADERS, MAX_URL};
use super::super::state::{SharedLog, log_line};
use crate::outbound::connect::ConnectError;
use crate::outbound::{Denied, SendError, Target, Unfit};

/// Why.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("an attempt has a limit of {limit} HTTP requests, and this would be number {asked}")]
    Count { limit: usize, asked: usize },
    #[error(
        "an attempt has a limit of {limit} HTTP requests at once, and none of them has ended within {wait:?}: \
         read the answers' bodies to their ends, or drop them"
    )]
    Slots { limit: usize, wait: Duration },
    #[error(
        "the connections of this host for HTTP requests are shared among its plugins: \
         none was free for this one within {0:?}"
    )]
    Busy(Duration),
    #[error("the URL has a limit of {limit} bytes, and this one has {asked}")]
    Url { limit: usize, asked: usize },
    #[error("the headers have a limit of {limit} {of}, and there are {asked}")]
    Headers {
        limit: usize,
        asked: usize,
        of: &'static str,
    },
    #[error("the request's body has a limit of {0} bytes, and this one has more")]
    RequestBody(usize),
    #[error("the request's body isn't there within {0:?}: finish it before waiting for the answer")]
    Unfinished(Duration),
    #[error("the request's body was given up: {0}")]
    GivenUp(Error),
    #[error("requests with trailers aren't sent")]
    Trailers,
    #[error("the answer's body has a limit of {0} bytes, and this one has more")]
    ResponseBody(usize),
    #[error("the answer's body stopped: nothing came within {0:?}")]
    Stalled(Duration),
    #[error("the answer's body broke off: {0}")]
    BrokenOff(hyper::Error),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("this host has no network for plugins")]
    NoNetwork,
}

impl From<Unfit> for Refused {
    fn from(unfit: Unfit) -> Self {
        Self::Denied(unfit.into())
    }
}

/// Checks the sizes that an outbox request has to keep, too.
pub(super) fn check_head(url: &str, headers: &HeaderMap) -> Result<(), Refused> {
    let too_many = |limit, asked, of| Err(Refused::Headers { limit, asked, of });
    let bytes = headers.iter();
    let bytes = bytes.map(|(name, value)| name.as_str().len() + value.len());
    match (url.len(), headers.len(), bytes.sum()) {
        (asked, _, _) if asked > MAX_URL => Err(Refused::Url {
            limit: MAX_URL,
            asked,
        }),
        (_, asked, _) if asked > MAX_HEADER_COUNT => too_many(MAX_HEADER_COUNT, asked, "in number"),
        (_, _, asked) if asked > MAX_HEADERS => too_many(MAX_HEADERS, asked, "bytes"),
        _ => Ok(()),
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let size = |limit: usize| Some(u64::try_from(limit).unwrap_or(u64::MAX));
        match refused {
            Refused::Denied(Denied::Unfit(Unfit::Method)) => Self::HttpRequestMethodInvalid,
            Refused::Denied(Denied::Unfit(_)) => Self::HttpRequestUriInvalid,
            Refused::Denied(Denied::NotGranted { .. }) | Refused::NoNetwork => {
                Self::HttpRequestDenied
            }
            Refused::Count { .. } | Refused::Slots { .. } | Refused::Busy(_) => {
                Self::ConnectionLimitReached
            }
            Refused::Url { .. } => Self::HttpRequestUriTooLong,
            Refused::Headers { limit, .. } => {
                Self::HttpRequestHeaderSectionSize(u32::try_from(limit).ok())
            }
            Refused::RequestBody(limit) => Self::HttpRequestBodySize(size(limit)),
            Refused::Unfinished(_) => Self::ConnectionWriteTimeout,
            Refused::GivenUp(error) => error,
            Refused::Trailers => Self::HttpRequestTrailerSectionSize(Some(0)),
            Refused::ResponseBody(limit) => Self::HttpResponseBodySize(size(limit)),
            Refused::Stalled(_) => Self::ConnectionReadTimeout,
            Refused::BrokenOff(_) => Self::HttpResponseIncomplete,
            Refused::Send(error) => of_send(&error),
        }
    }
}

fn of_send(error: &SendError) -> Error {
    match error {
        SendError::Unfit(_) | SendError::Header(_) => Error::HttpRequestUriInvalid,
        SendError::Connect(error) => of_connect(error),
        SendError::Http(error) if error.is_parse_too_large() => {
            Error::HttpResponseHeaderSectionSize(None)
        }
        SendError::Http(error) if error.is_parse() => Error::HttpProtocolError,
        SendError::Http(_) => Error::ConnectionTerminated,
        SendError::ConnectTimedOut(_) => Error::ConnectionTimeout,
        SendError::TimedOut(_) | SendError::HeadTimedOut(_) => Error::HttpResponseTimeout,
    }
}

fn of_connect(error: &ConnectError) -> Error {
    match error {
        ConnectError::Resolve { source, .. } if source.kind() == ErrorKind::TimedOut => {
            Error::DnsTimeout
        }
        ConnectError::Resolve { .. } => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        ConnectError::NoAddress(_) => Error::DestinationNotFound,
        ConnectError::Refused { .. } => Error::DestinationIpProhibited,
        ConnectError::Connect { source, .. } => match source.kind() {
            ErrorKind::ConnectionRefused => Error::ConnectionRefused,
            ErrorKind::TimedOut => Error::ConnectionTimeout,
            _ => Error::DestinationUnavailable,
        },
        ConnectError::Tls { source, .. } => {
            let cause = source.get_ref().and_then(|e| e.downcast_ref());
            match cause {
                Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
                _ => Error::TlsProtocolError,
            }
        }
    }
}

/// Tells the author, in the attempt's log.
#[derive(Clone)]
pub(super) struct Told {
    log: SharedLog,
    /// Without path and query, which may hold secrets.
    place: String,
}

impl Told {
    pub(super) fn of(log: &SharedLog, method: &Method, target: &Target) -> Self {
        Self {
            log: log.clone(),
            place: format!("{method} {}: ", target.origin()),
        }
    }

    pub(super) fn nowhere(log: &SharedLog) -> Self {
        Self {
            log: log.clone(),
            place: String::new(),
        }
    }

    pub(super) fn tell(&self, refused: &Refused) {
        let line = format!("{}{refused}", self.place);
        log_line(&self.log, Level::Warn, "wasi:http", &line);
    }
}
