//! Who may use the admin listener.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
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
    let checked = check(token.as_ref().as_ref(), request.headers())
        .and_then(|()| from_here(request.method(), request.headers()));
    match checked {
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

/// Whether a request that changes something can't be another site's page that
/// uses its reader's browser: on loopback being on this machine is all the
/// permission there is.
fn from_here(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if method.is_safe() {
        return Ok(());
    }
    if headers.contains_key(header::ORIGIN) {
        let origin = one(headers, header::ORIGIN);
        let host = one(headers, header::HOST);
        let same = origin.zip(host).is_some_and(|(origin, host)| {
            let sent = origin
                .strip_prefix(b"http://")
                .or_else(|| origin.strip_prefix(b"https://"));
            sent.is_some_and(|sent| sent.eq_ignore_ascii_case(host))
        });
        if !same {
            return Err(Problem::ForeignOrigin);
        }
    }
    one(headers, header::CONTENT_TYPE)
        .filter(|value| {
            let essence = value.split(|&byte| byte == b';').next();
            essence.is_some_and(|essence| {
                essence
                    .trim_ascii()
                    .eq_ignore_ascii_case(b"application/json")
            })
        })
        .map(|_| ())
        .ok_or(Problem::NeedsJson)
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

    fn change(lines: &[(&'static str, &'static str)]) -> Result<(), &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        from_here(&Method::POST, &headers).map_err(|problem| problem.answer().1)
    }

    #[test]
    fn what_changes_something_must_be_json_and_from_no_other_site() {
        const JSON: (&str, &str) = ("content-type", "Application/JSON; charset=utf-8");
        const HOST: (&str, &str) = ("host", "localhost:3001");
        assert_eq!(change(&[JSON, HOST]), Ok(()));
        let own = ("origin", "http://localhost:3001");
        assert_eq!(change(&[JSON, HOST, own]), Ok(()));
        assert!(from_here(&Method::GET, &HeaderMap::new()).is_ok());
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "",
            "application/json+x",
        ] {
            assert_eq!(
                change(&[("content-type", kind), HOST]),
                Err("content_type"),
                "{kind}"
            );
        }
        assert_eq!(change(&[HOST]), Err("content_type"));
        assert_eq!(change(&[JSON, JSON, HOST]), Err("content_type"));
        for origin in [
            "https://evil.example",
            "http://localhost:3000",
            "http://localhost",
            "null",
            "",
            "http://localhost:3001.evil.example",
        ] {
            let answer = change(&[JSON, HOST, ("origin", origin)]);
            assert_eq!(answer, Err("foreign_origin"), "{origin}");
        }
        assert_eq!(change(&[JSON, HOST, own, own]), Err("foreign_origin"));
    }

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
