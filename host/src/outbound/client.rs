//! One HTTP/1.1 request over one connection, within bounds: of time in all, of
//! the answer's head, and of what is read of its body. Follows no redirects.
//!
//! [`Client::send`] has one time-out for all; [`Client::begin`] one for each part,
//! and leaves the body to its caller.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::connect::{ConnectError, Connector};
use super::target::{Target, Unfit, check_method};

/// Bounds of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Time in all: from the look-up of the name to the end of the body.
    pub total: Duration,
    /// Bytes of the answer's head.
    pub head: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(30),
            head: 32 << 10,
        }
    }
}

/// A request as given; what the connection needs is added.
#[derive(Clone)]
pub struct Request {
    /// `POST`, …
    pub method: String,
    /// Where to.
    pub target: Target,
    /// None of those that [`is_reserved`].
    pub headers: HeaderMap,
    /// May be empty.
    pub body: Bytes,
}

/// Without what may be secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("headers", &self.headers.keys())
            .field("body", &self.body.len())
            .finish()
    }
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It can't be sent as it is.
    #[error("this request can't be sent: {0}")]
    Unfit(#[from] Unfit),
    /// A header that only the host sets.
    #[error("this request can't be sent: the header {0} is the host's to set")]
    Header(HeaderName),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke, or the answer isn't HTTP.
    #[error("no answer: {}", causes(.0))]
    Http(#[from] hyper::Error),
    /// Out of time.
    #[error("no complete answer within {0:?}")]
    TimedOut(Duration),
    /// Out of time for the connection.
    #[error("no connection within {0:?}")]
    ConnectTimedOut(Duration),
    /// Out of time for the answer's head.
    #[error("no answer within {0:?}")]
    HeadTimedOut(Duration),
}

/// How long each part of an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Finding the name, connecting and TLS together.
    pub connect: Duration,
    /// From the connection to the answer's head.
    pub head: Duration,
}

/// An answer's body, with the connection that it comes over: dropping it closes
/// that.
pub struct Live {
    body: Incoming,
    _driver: Driver,
}

/// Sends requests.
#[derive(Clone, Debug)]
pub struct Client {
    connector: Connector,
    bounds: Bounds,
}

/// An answer whose body is still to be read.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Live,
    deadline: Instant,
    total: Duration,
}

/// Ends the connection's task with its owner.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    /// One that connects through `connector`.
    #[must_use]
    pub fn new(connector: Connector, bounds: Bounds) -> Self {
        Self { connector, bounds }
    }

    /// Sends one request and reads the answer's head.
    ///
    /// # Errors
    /// When there is no answer, in time.
    pub async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let deadline = Instant::now() + self.bounds.total;
        timeout_at(deadline, self.send_until(request, deadline))
            .await
            .unwrap_or(Err(SendError::TimedOut(self.bounds.total)))
    }

    async fn send_until(&self, request: Request, deadline: Instant) -> Result<Answer, SendError> {
        let target = request.target.clone();
        let message = message(request)?;
        let (head, body) = self.open(&target).await?.send(message).await?.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            deadline,
            total: self.bounds.total,
        })
    }

    /// Sends one request and reads the answer's head, each part in its time. The
    /// body is the caller's to bound.
    ///
    /// # Errors
    /// When there is no answer, in time.
    pub async fn begin(
        &self,
        request: Request,
        waits: Waits,
    ) -> Result<hyper::Response<Live>, SendError> {
        let target = request.target.clone();
        let message = message(request)?;
        let open = timeout(waits.connect, self.open(&target))
            .await
            .unwrap_or(Err(SendError::ConnectTimedOut(waits.connect)))?;
        timeout(waits.head, open.send(message))
            .await
            .unwrap_or(Err(SendError::HeadTimedOut(waits.head)))
    }

    async fn open(&self, target: &Target) -> Result<Open, SendError> {
        let stream = self.connector.connect(target).await?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(self.bounds.head.max(8 << 10))
            .handshake(TokioIo::new(stream))
            .await?;
        let driver = Driver(tokio::spawn(async move {
            // Its failures show at the request, too.
            let _ = connection.await;
        }));
        Ok(Open { sender, driver })
    }
}

/// A connection for one request.
struct Open {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
}

impl Open {
    async fn send(
        mut self,
        message: hyper::Request<Full<Bytes>>,
    ) -> Result<hyper::Response<Live>, SendError> {
        let answer = self.sender.send_request(message).await?;
        Ok(answer.map(|body| Live {
            body,
            _driver: self.driver,
        }))
    }
}

impl Body for Live {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Answer {
    /// Reads the next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks, or time is up.
    pub async fn next(&mut self) -> Result<Option<Bytes>, SendError> {
        loop {
            let frame = timeout_at(self.deadline, self.body.frame())
                .await
                .map_err(|_| SendError::TimedOut(self.total))?;
            match frame.transpose()?.map(Frame::into_data) {
                None => return Ok(None),
                Some(Ok(data)) => return Ok(Some(data)),
                // Trailers say nothing that is asked for.
                Some(Err(_)) => {}
            }
        }
    }

    /// Reads the body to its end and drops it, at most about `most` bytes.
    /// Returns whether the end was reached.
    ///
    /// # Errors
    /// As for [`Answer::next`].
    pub async fn drain(mut self, most: usize) -> Result<bool, SendError> {
        let mut read = 0;
        while let Some(data) = self.next().await? {
            read += data.len();
            if read > most {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Whether a header belongs to the connection, or tells where the message ends:
/// only the host sets these, so that a request is one request for everyone on its
/// way.
#[must_use]
pub fn is_reserved(name: &HeaderName) -> bool {
    let standard = [
        CONNECTION,
        CONTENT_LENGTH,
        EXPECT,
        HOST,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    standard.contains(name)
        || matches!(
            name.as_str(),
            "http2-settings"
                | "keep-alive"
                | "proxy-authenticate"
                | "proxy-authorization"
                | "proxy-connection"
        )
}

fn message(request: Request) -> Result<hyper::Request<Full<Bytes>>, SendError> {
    let Request {
        method,
        target,
        mut headers,
        body,
    } = request;
    check_method(&method)?;
    if let Some(name) = headers.keys().find(|name| is_reserved(name)) {
        return Err(SendError::Header(name.clone()));
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Unfit::Method)?;
    let uri: Uri = target.path_and_query().parse().map_err(|_| Unfit::Url)?;
    let host = HeaderValue::from_str(target.authority()).map_err(|_| Unfit::Host)?;
    headers.insert(HOST, host);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if !body.is_empty() || !matches!(method, Method::GET | Method::HEAD) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let mut message = hyper::Request::new(Full::new(body));
    *message.method_mut() = method;
    *message.uri_mut() = uri;
    *message.headers_mut() = headers;
    Ok(message)
}

/// An error with all that led to it: hyper's own message leaves that out.
fn causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
