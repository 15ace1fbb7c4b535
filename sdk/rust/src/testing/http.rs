//! Requests of native runs that wait for an answer: the test scripts it.

use super::effects::with;
use crate::http::{Error, Request, Response};

/// An answer, and the requests that get it.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(super) line: String,
    pub(super) answer: Result<Response, Error>,
}

pub(crate) fn send(request: Request) -> Result<Response, Error> {
    let line = format!("{} {}", request.method, request.url);
    with(|effects| {
        effects.calls.push(request);
        let script = effects
            .answers
            .iter()
            .find(|script| line.starts_with(&script.line));
        match script {
            Some(script) => script.answer.clone(),
            None => Err(Error::Denied(format!(
                "the test has no answer to it: add `.answer(\"{line}\", 200, \"…\")` to its Host"
            ))),
        }
    })
}
