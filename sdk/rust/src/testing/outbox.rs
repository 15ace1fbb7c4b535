//! Requests of native runs: recorded where the test allows them.

use super::effects::with;
use crate::outbox::{Error, Request};

const MAX_REQUESTS: usize = 16;
const MAX_BODY: usize = 1 << 20;

pub(crate) fn send(request: Request) -> Result<(), Error> {
    if !request.url.starts_with("https://") && !request.url.starts_with("http://") {
        let reason = "the URL is not absolute: it starts with https:// or http://";
        return Err(Error::Invalid(reason.to_owned()));
    }
    if request.body.len() > MAX_BODY {
        let asked = request.body.len();
        let reason = format!("the body has a limit of {MAX_BODY}, and this would be {asked}");
        return Err(Error::Limit(reason));
    }
    with(|effects| {
        let line = format!("{} {}", request.method, request.url);
        if !effects
            .allowed
            .iter()
            .any(|allowed| line.starts_with(allowed))
        {
            let reason = format!("the test doesn't allow it: add `.allow(\"{line}\")` to its Host");
            return Err(Error::Denied(reason));
        }
        if effects.requests.len() >= MAX_REQUESTS {
            let reason = format!("an attempt has a limit of {MAX_REQUESTS} requests");
            return Err(Error::Limit(reason));
        }
        effects.requests.push(request);
        Ok(())
    })
}
