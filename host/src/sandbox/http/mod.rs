//! `wasi:http/outgoing-handler`: requests that a handler makes itself, while it
//! runs. Nothing is allowed by default; nothing of it is exactly-once.
//!
//! ```text
//! guest ─▶ wasmtime-wasi-http ─▶ Http ─────────▶ exchange ───────────▶ outbound
//!          resources, streams    count, manifest  on the network's own  checked
//!                                allows it?       thread: slot, body,   address,
//!                                                 time-outs             TLS
//! ```
//!
//! All of an attempt's exchanges belong to resources of its store: dropping the
//! store ends them and closes their connections. [`guard`] bounds what the guest
//! can have the host hold; [`network`] bounds all attempts together, and [`shares`] each
//! plugin's part of that.

mod body;
mod exchange;
pub(super) mod guard;
mod network;
mod refused;
mod shares;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx,
    WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use self::exchange::Exchange;
pub(super) use self::network::Network;
use self::refused::{Refused, Told};
use super::limits::HttpLimits;
use super::state::{SharedLog, State};
use crate::outbound::client::{Waits, is_reserved};
use crate::outbound::{Grants, Target};
use crate::types::PluginKey;

/// How much of a request's body the host takes before it is asked for.
const CHUNK: usize = 16 << 10;

/// Whether an import is one of those that are served here.
pub(super) fn is_http(import: &str) -> bool {
    import.starts_with("wasi:http/")
}

/// One attempt's side of HTTP.
pub(super) struct Http {
    ctx: WasiHttpCtx,
    requests: Requests,
}

/// What decides on requests and starts them.
struct Requests {
    network: Arc<Network>,
    plugin: PluginKey,
    grants: Arc<Grants>,
    limits: HttpLimits,
    /// The attempt's time in all, below which each wait stays.
    wall: Duration,
    log: SharedLog,
    made: usize,
    slots: Arc<Semaphore>,
}

type Answer = (
    hyper::Response<WasiBody>,
    Box<dyn Future<Output = Result<(), Error>> + Send>,
);

impl Http {
    pub(super) fn new(
        network: Arc<Network>,
        plugin: PluginKey,
        grants: Arc<Grants>,
        limits: HttpLimits,
        wall: Duration,
        log: SharedLog,
    ) -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(limits.fields);
        let places = limits.concurrent.min(Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(places));
        Self {
            ctx,
            requests: Requests {
                network,
                plugin,
                grants,
                limits,
                wall,
                log,
                made: 0,
                slots,
            },
        }
    }
}

impl Requests {
    /// Takes a request if it may be made.
    fn take(
        &mut self,
        request: hyper::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<Exchange, Refused> {
        self.made = self.made.saturating_add(1);
        let (limit, asked) = (self.limits.requests, self.made);
        if asked > limit {
            return Err(Refused::Count { limit, asked });
        }
        let (head, body) = request.into_parts();
        let url = head.uri.to_string();
        refused::check_head(&url, &head.headers)?;
        let target = Target::parse(&url)?;
        self.grants.check_target(head.method.as_str(), &target)?;
        Ok(Exchange {
            network: Arc::clone(&self.network),
            plugin: self.plugin.clone(),
            slots: Arc::clone(&self.slots),
            limits: self.limits,
            waits: self.waits(options),
            between: wait(
                self.wall,
                options.and_then(|asked| asked.between_bytes_timeout),
            ),
            told: Told::of(&self.log, &head.method, &target),
            method: head.method.as_str().to_owned(),
            target,
            headers: head.headers,
            body,
        })
    }

    fn waits(&self, options: Option<RequestOptions>) -> Waits {
        let connect = options.and_then(|asked| asked.connect_timeout);
        let head = options.and_then(|asked| asked.first_byte_timeout);
        Waits {
            connect: wait(self.wall, connect).min(self.wall / 2),
            head: wait(self.wall, head),
        }
    }
}

/// Leaves the handler some time to say what became of it.
fn wait(wall: Duration, asked: Option<Duration>) -> Duration {
    let most = wall * 4 / 5;
    asked.unwrap_or(most).min(most)
}

impl WasiHttpHooks for Requests {
    fn is_forbidden_header(&mut self, name: &hyper::header::HeaderName) -> bool {
        is_forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    fn set_host_header(&mut self) -> bool {
        // The connection's own code sets it, from what was checked.
        false
    }

    fn send_request(
        &mut self,
        request: hyper::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Answer, Error>> + Send> {
        let taken = self.take(request, options).map_err(|refused| {
            Told::nowhere(&self.log).tell(&refused);
            Error::from(refused)
        });
        Box::new(async move {
            let answer = taken?.run().await?;
            let nothing_left: Box<dyn Future<Output = _> + Send> = Box::new(async { Ok(()) });
            Ok((answer, nothing_left))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

/// Names of headers that a handler neither sets nor sees. The length of its body
/// it may state, as many clients do: it is checked, and the host states its own.
fn is_forbidden(name: &hyper::header::HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name)
        || (is_reserved(name) && name != hyper::header::CONTENT_LENGTH)
}

impl WasiHttpView for State {
    /// # Panics
    /// For a component that doesn't import it: see [`State::wasi_http`].
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (http, table) = self.wasi_http();
        WasiHttpCtxView {
            hooks: &mut http.requests,
            table,
            ctx: &mut http.ctx,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_stays_below_the_attempts_time() {
        let seconds = Duration::from_secs;
        assert_eq!(wait(seconds(10), None), seconds(8));
        assert_eq!(wait(seconds(10), Some(Duration::MAX)), seconds(8));
        assert_eq!(wait(seconds(10), Some(seconds(1))), seconds(1));
    }
}
