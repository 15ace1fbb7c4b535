//! `hookbox:plugin/outbox`: requests, sent once the outcome is stored.

use crate::sandbox::adapters::bindings::hookbox::plugin::outbox::{Error, Header, Host, Request};
use crate::sandbox::request::NotQueued;
use crate::sandbox::state::State;
use crate::types::effects::{HeaderPair, OutgoingRequest};

impl Host for State {
    fn send(&mut self, request: Request) -> Result<(), Error> {
        let header = |Header { name, value }| HeaderPair { name, value };
        let request = OutgoingRequest {
            method: request.method,
            url: request.url,
            headers: request.headers.into_iter().map(header).collect(),
            body: request.body.into(),
        };
        let sent = self.collect.outbox.send(request);
        sent.map_err(|problem| match &problem {
            NotQueued::Denied(_) => Error::Denied(problem.to_string()),
            NotQueued::Invalid(_) => Error::Invalid(problem.to_string()),
            NotQueued::Size { .. } | NotQueued::Count { .. } => Error::Limit(problem.to_string()),
        })
    }
}
