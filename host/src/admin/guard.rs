//! Who may use the admin listener.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::ingest::problem::Problem;
use crate::types::Secret;

/// Lets a request through or answers it.
pub(super) async fn guard(
    State(token): State<Arc<Option<Secret>>>,
    request: Request,
    next: Next,
) -> Response {
    match check(token.as_ref().as_ref(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let mut response = problem.into_response();
            if response.status() == axum::http::StatusCode::UNAUTHORIZED {
                let scheme = HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, scheme);
            }
            response
        }
    }
}

fn check(token: Option<&Secret>, headers: &HeaderMap) -> Result<(), Problem> {
    match token {
        Some(token) => one(headers, header::AUTHORIZATION)
            .and_then(bearer)
            .filter(|sent| {
                let (sent, known) = (Sha256::digest(sent), Sha256::digest(token.expose()));
                bool::from(sent.as_slice().ct_eq(known.as_slice()))
            })
            .map(|_| ())
            .ok_or(Problem::NeedsToken),
        None => one(headers, header::HOST)
            .and_then(|host| std::str::from_utf8(host).ok())
            .is_some_and(names_this_machine)
            .then_some(())
            .ok_or(Problem::ForeignHost),
    }
}

fn one(headers: &HeaderMap, name: header::HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Whether a `Host` is `localhost` or a loopback address, with or without port.
fn names_this_machine(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) => (name, port),
            None => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_fits = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.parse::<u16>().is_ok());
    let local = name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    port_fits && local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_pass() {
        for host in [
            "localhost",
            "LOCALHOST:3001",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(names_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::1",
            "[::2]:80",
            "localhost:x",
            "localhost@evil:1",
            "0.0.0.0",
        ] {
            assert!(!names_this_machine(host), "{host}");
        }
    }
}
