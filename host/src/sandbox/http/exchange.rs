//! One request and its answer's head.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::header::CONTENT_LENGTH;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, WasiBody};

use super::super::limits::HttpLimits;
use super::body::Body;
use super::network::Network;
use super::refused::{Refused, Told};
use super::shares::Connection;
use crate::outbound::Target;
use crate::outbound::client::{Request, Waits};
use crate::types::PluginKey;

/// A request that may be made.
pub(super) struct Exchange {
    pub(super) network: Arc<Network>,
    pub(super) plugin: PluginKey,
    pub(super) slots: Arc<Semaphore>,
    pub(super) limits: HttpLimits,
    pub(super) waits: Waits,
    /// How long the answer's body may pause.
    pub(super) between: Duration,
    pub(super) told: Told,
    pub(super) method: String,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    pub(super) body: WasiBody,
}

/// A place among the attempt's requests, and among those of the host.
pub(super) struct Slot {
    _own: OwnedSemaphorePermit,
    _hosts: Connection,
}

impl Exchange {
    /// Makes the request. Dropping this, or the answer's body, closes its
    /// connection.
    pub(super) async fn run(self) -> Result<hyper::Response<WasiBody>, Error> {
        let network = Arc::clone(&self.network);
        let told = self.told.clone();
        let answer = network.run(self.answer()).await;
        answer
            .unwrap_or(Err(Refused::NoNetwork))
            .map_err(|refused| {
                told.tell(&refused);
                refused.into()
            })
    }

    async fn answer(self) -> Result<hyper::Response<WasiBody>, Refused> {
        let (limit, wait) = (self.limits.concurrent, self.waits.connect);
        let own = timeout(wait, self.slots.acquire_owned()).await;
        let Ok(Ok(own)) = own else {
            return Err(Refused::Slots { limit, wait });
        };
        let hosts = timeout(wait, self.network.connections.take(&self.plugin)).await;
        let slot = Slot {
            _own: own,
            _hosts: hosts.map_err(|_elapsed| Refused::Busy(wait))?,
        };
        let mut headers = self.headers;
        // Stated anew for the body as it is.
        headers.remove(CONTENT_LENGTH);
        let collected = collect(self.body, self.limits.request_body);
        let body = timeout(self.waits.head, collected)
            .await
            .unwrap_or(Err(Refused::Unfinished(self.waits.head)))?;
        let request = Request {
            method: self.method,
            target: self.target,
            headers,
            body,
        };
        let answer = self.network.client.begin(request, self.waits).await?;
        let most = self.limits.response_body;
        Ok(answer.map(|live| Body::new(live, slot, most, self.between, self.told).boxed_unsync()))
    }
}

/// The whole body: a request is sent when it is known to be one.
async fn collect(mut body: WasiBody, limit: usize) -> Result<Bytes, Refused> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Refused::GivenUp)?;
        let data = frame.into_data().map_err(|_| Refused::Trailers)?;
        if all.len() + data.len() > limit {
            return Err(Refused::RequestBody(limit));
        }
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}
