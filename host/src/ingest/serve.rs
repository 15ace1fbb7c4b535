//! Connections: hyper under a router, with the bounds that `axum::serve` has no
//! settings for.
//!
//! Above `max_connections` new connections wait in the system's queue: waiting
//! loses no event, refusing does. On shutdown the listener closes at once,
//! requests in flight are answered, idle connections are closed, and what is
//! left after `grace` is cut.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Bounds of a listener's connections.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// How many connections may be open.
    pub max_connections: usize,
    /// How long a request's head may take, the wait for the next request on a
    /// kept connection included. Longer than the idle time of the usual proxies
    /// (60 s), so that it is the client who closes: a request sent into a closing
    /// connection is lost.
    pub header_timeout: Duration,
    /// How long requests in flight, and attempts beside them, get on shutdown.
    /// By default somewhat less than the 10 s after which container runtimes kill:
    /// the journal is closed in the rest.
    pub grace: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            max_connections: 8192,
            header_timeout: Duration::from_secs(75),
            grace: Duration::from_secs(8),
        }
    }
}

/// Serves until `shutdown` is ready and the connections have ended.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopped) = watch::channel(false);
    let open = Arc::new(Semaphore::new(
        options.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let permit = Arc::clone(&open).acquire_owned().await;
            (listener.accept().await, permit)
        };
        tokio::select! {
            () = &mut shutdown => break,
            // Ended tasks are taken out as they end, or the set would grow.
            Some(_) = connections.join_next() => {}
            (accepted, permit) = next => match accepted {
                Ok((stream, _)) => {
                    let connection = connection(stream, router.clone(), options, stopped.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others will end.
                    tracing::error!("a connection could not be accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    stop.send_replace(true);
    let ended = tokio::time::timeout(options.grace, async {
        while connections.join_next().await.is_some() {}
    });
    if ended.await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections were still busy at the end of the shutdown's time and are cut"
        );
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    options: ServeOptions,
    mut stopped: watch::Receiver<bool>,
) {
    // Answers are one small packet each: waiting for more to send costs 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("TCP_NODELAY could not be set: {error}");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        // Sent once; an error means that the sender is gone, which is a stop too.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!("a connection ended early: {error}");
    }
}
