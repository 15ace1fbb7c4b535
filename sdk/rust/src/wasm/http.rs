//! Requests by `wasi:http`.

use super::bindings::http::wasi::http::outgoing_handler::handle;
use super::bindings::http::wasi::http::types as host;
use super::bindings::http::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::http::{Error, Request, Response, split};

/// As much as the standard lets be written in one call.
const PIECE: usize = 4096;

pub(crate) fn send(request: Request) -> Result<Response, Error> {
    let outgoing = outgoing(&request)?;
    let body = outgoing.body().map_err(|()| invalid("it has no body"))?;
    let options = request.timeout.map(|timeout| {
        let nanos = u64::try_from(timeout.as_nanos()).ok();
        let options = host::RequestOptions::new();
        // The host takes these; if it didn't, its own would count.
        let _ = options.set_connect_timeout(nanos);
        let _ = options.set_first_byte_timeout(nanos);
        let _ = options.set_between_bytes_timeout(nanos);
        options
    });
    let answer = handle(outgoing, options).map_err(|code| error(&code))?;
    write(body, &request.body)?;
    let answer = wait(&answer)?;
    let headers = answer.headers().entries();
    let status = answer.status();
    let body = answer
        .consume()
        .map_err(|()| failed("the answer has no body"))?;
    let stream = body
        .stream()
        .map_err(|()| failed("the answer has no body"))?;
    Ok(Response {
        status,
        headers,
        body: read(&stream)?,
    })
}

fn outgoing(request: &Request) -> Result<host::OutgoingRequest, Error> {
    let (https, authority, path) = split(&request.url)
        .ok_or_else(|| invalid("the URL is not absolute: it starts with https:// or http://"))?;
    let headers = request.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
        .collect();
    let headers = host::Fields::from_list(&headers).map_err(|error| {
        invalid(match error {
            host::HeaderError::Forbidden => "a header is the host's to set",
            _ => "a header is malformed, or the headers are too large",
        })
    })?;
    let scheme = match https {
        true => host::Scheme::Https,
        false => host::Scheme::Http,
    };
    let outgoing = host::OutgoingRequest::new(headers);
    outgoing
        .set_method(&method(&request.method))
        .map_err(|()| invalid("the method is none"))?;
    outgoing
        .set_scheme(Some(&scheme))
        .and_then(|()| outgoing.set_authority(Some(authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&path)))
        .map_err(|()| invalid("the URL is malformed or too long"))?;
    Ok(outgoing)
}

fn method(name: &str) -> host::Method {
    match name {
        "GET" => host::Method::Get,
        "HEAD" => host::Method::Head,
        "POST" => host::Method::Post,
        "PUT" => host::Method::Put,
        "DELETE" => host::Method::Delete,
        "OPTIONS" => host::Method::Options,
        "PATCH" => host::Method::Patch,
        other => host::Method::Other(other.to_owned()),
    }
}

fn write(body: host::OutgoingBody, bytes: &[u8]) -> Result<(), Error> {
    let stream: OutputStream = body.write().map_err(|()| failed("the body is closed"))?;
    for piece in bytes.chunks(PIECE) {
        match stream.blocking_write_and_flush(piece) {
            Ok(()) => {}
            // The request isn't taken; instead of an answer comes the reason.
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(why)) => return Err(of_stream(&why)),
        }
    }
    drop(stream);
    host::OutgoingBody::finish(body, None).map_err(|code| error(&code))
}

fn wait(answer: &host::FutureIncomingResponse) -> Result<host::IncomingResponse, Error> {
    loop {
        match answer.get() {
            Some(Ok(Ok(answer))) => return Ok(answer),
            Some(Ok(Err(code))) => return Err(error(&code)),
            Some(Err(())) => return Err(failed("the answer is gone")),
            None => answer.subscribe().block(),
        }
    }
}

fn read(stream: &InputStream) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(piece) => all.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(all),
            Err(StreamError::LastOperationFailed(why)) => return Err(of_stream(&why)),
        }
    }
}

fn of_stream(why: &host::IoError) -> Error {
    match host::http_error_code(why) {
        Some(code) => error(&code),
        None => failed(&why.to_debug_string()),
    }
}

fn error(code: &host::ErrorCode) -> Error {
    use host::ErrorCode as Code;
    let text = code.to_string();
    match code {
        Code::HttpRequestDenied => {
            Error::Denied(format!("{text}: the log says what would allow it"))
        }
        Code::HttpRequestMethodInvalid | Code::HttpRequestUriInvalid => Error::Invalid(text),
        Code::ConnectionLimitReached
        | Code::HttpRequestBodySize(_)
        | Code::HttpRequestUriTooLong
        | Code::HttpRequestHeaderSectionSize(_)
        | Code::HttpResponseHeaderSectionSize(_)
        | Code::HttpResponseBodySize(_) => Error::Limit(text),
        _ => Error::Failed(text),
    }
}

fn invalid(why: &str) -> Error {
    Error::Invalid(why.to_owned())
}

fn failed(why: &str) -> Error {
    Error::Failed(why.to_owned())
}
