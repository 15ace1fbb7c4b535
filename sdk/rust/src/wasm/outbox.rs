//! Requests, queued by the host.

use super::bindings::imports::hookbox::plugin::outbox as host;
use crate::outbox::{Error, Request};

pub(crate) fn send(request: Request) -> Result<(), Error> {
    let header = |(name, value)| host::Header { name, value };
    let request = host::Request {
        method: request.method,
        url: request.url,
        headers: request.headers.into_iter().map(header).collect(),
        body: request.body,
    };
    host::send(&request).map_err(|error| match error {
        host::Error::Denied(reason) => Error::Denied(reason),
        host::Error::Invalid(reason) => Error::Invalid(reason),
        host::Error::Limit(reason) => Error::Limit(reason),
    })
}
