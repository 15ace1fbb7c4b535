//! The sender against a store in memory and real sockets.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::*;
use crate::journal::{
    DueRequest, FeedItem, JournalError, Outbox, OutboxFinish, OutboxNext, OutboxPage,
};
use crate::outbound::Granted;
use crate::outbound::client::Bounds;
use crate::outbound::tests::local_client;
use crate::outbound::tests::server::{Reply, Server};
use crate::types::effects::{HeaderPair, OutgoingRequest};
use crate::types::redact::{Forms, Redactor};
use crate::types::{DeliveryId, EndpointName, EventId, OutboxId, PluginName, UnixMicros};

struct Row {
    plugin: PluginKey,
    due_at: UnixMicros,
    due: DueRequest,
    pending: bool,
}

/// A store in memory.
#[derive(Default)]
struct Store {
    rows: Mutex<Vec<Row>>,
    finished: Mutex<Vec<OutboxFinish>>,
    /// Something was finished.
    news: Notify,
    calls: AtomicUsize,
    /// How many outcomes are not confirmed at first.
    unconfirmed: AtomicUsize,
    closed: bool,
    /// Nothing of this plugin's can be read.
    damaged: Option<&'static str>,
}

impl Store {
    fn called(&self) -> Result<(), JournalError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.closed {
            return Err(JournalError::Closed);
        }
        Ok(())
    }

    /// Waits for the outcomes of `count` attempts, in the order in which they came.
    async fn finished(&self, count: usize) -> Vec<OutboxFinish> {
        loop {
            let news = self.news.notified();
            let finished = self.finished.lock().expect("unpoisoned").clone();
            if finished.len() >= count {
                return finished;
            }
            news.await;
        }
    }

    fn pending(&self) -> usize {
        let rows = self.rows.lock().expect("unpoisoned");
        rows.iter().filter(|row| row.pending).count()
    }
}

#[async_trait]
impl Outbox for Store {
    async fn outbox_plugins(&self) -> Result<Vec<(PluginKey, UnixMicros)>, JournalError> {
        self.called()?;
        let mut first = BTreeMap::new();
        for row in self.rows.lock().expect("unpoisoned").iter() {
            if row.pending {
                let due = first.entry(row.plugin.clone()).or_insert(row.due_at);
                *due = row.due_at.min(*due);
            }
        }
        Ok(first.into_iter().collect())
    }

    async fn outbox_due(
        &self,
        plugin: PluginKey,
        now: UnixMicros,
        known: Vec<OutboxId>,
        limit: usize,
    ) -> Result<OutboxPage, JournalError> {
        self.called()?;
        if self.damaged == Some(plugin.plugin.as_str()) {
            return Err(JournalError::Unconfirmed("a damaged row".into()));
        }
        let rows = self.rows.lock().expect("unpoisoned");
        let mut open: Vec<_> = rows
            .iter()
            .filter(|row| row.pending && row.plugin == plugin && !known.contains(&row.due.id))
            .collect();
        open.sort_by_key(|row| row.due_at);
        let due = open.iter().take_while(|row| row.due_at <= now).take(limit);
        let requests: Vec<_> = due.map(|row| row.due.clone()).collect();
        let next_due = open.get(requests.len()).map(|row| row.due_at);
        Ok(OutboxPage { requests, next_due })
    }

    async fn outbox_finish(&self, finish: OutboxFinish) -> Result<(), JournalError> {
        self.called()?;
        let left = |left: usize| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if self.unconfirmed.fetch_update(order, order, left).is_ok() {
            return Err(JournalError::Unconfirmed("not now".into()));
        }
        {
            let mut rows = self.rows.lock().expect("unpoisoned");
            let row = rows.iter_mut().find(|row| row.due.id == finish.id);
            let row = row.filter(|row| row.pending);
            let row = row.ok_or(JournalError::Superseded)?;
            match &finish.next {
                OutboxNext::Retry { due_at, .. } => row.due_at = *due_at,
                OutboxNext::Sent | OutboxNext::Dead { .. } => row.pending = false,
            }
            row.due.failed_attempts = finish.attempts;
        }
        self.finished.lock().expect("unpoisoned").push(finish);
        self.news.notify_waiters();
        Ok(())
    }
}

fn plugin(name: &str) -> PluginKey {
    PluginKey {
        endpoint: EndpointName::default_endpoint(),
        plugin: PluginName::new(name).expect("a name"),
    }
}

/// A plugin's secret.
const SECRET: &str = "s3cret-t0ken-123";

/// A running sender.
struct Bench {
    store: Arc<Store>,
    granted: Arc<Granted>,
    stats: Arc<Stats>,
    bell: Bell,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bench {
    fn start() -> Self {
        Self::with(Store::default(), options(), Bounds::default())
    }

    fn with(store: Store, options: Options, bounds: Bounds) -> Self {
        let store = Arc::new(store);
        let granted = Arc::new(Granted::default());
        let (stats, bell) = (Arc::new(Stats::default()), Bell::default());
        let grants = Arc::clone(&granted);
        let sender = Sender {
            store: store.clone(),
            client: local_client(bounds),
            grants: Arc::new(move |key: &PluginKey| grants.get(key)),
            options,
            redactor: Redactor::new([Arc::new(Forms::of(SECRET).expect("few forms"))]),
            stats: Arc::clone(&stats),
            bell: bell.clone(),
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(sender.run(async {
            let _ = stopped.await;
        }));
        Self {
            store,
            granted,
            stats,
            bell,
            stop: Some(stop),
            task,
        }
    }

    fn grant(&self, name: &str, entries: &[&str]) {
        let entries: Vec<_> = entries.iter().map(|&entry| entry.to_owned()).collect();
        let grants = Grants::parse(&entries).expect("good entries");
        self.granted.set(plugin(name), Arc::new(grants));
    }

    fn queue(&self, name: &str, url: &str, count: usize) {
        self.queue_request(name, &post(url), count);
    }

    fn queue_request(&self, name: &str, request: &OutgoingRequest, count: usize) {
        let mut rows = self.store.rows.lock().expect("unpoisoned");
        for index in 0..count {
            let id = i64::try_from(rows.len()).expect("few rows");
            let now = UnixMicros::now();
            rows.push(Row {
                plugin: plugin(name),
                due_at: now,
                due: DueRequest {
                    id: OutboxId(id),
                    event: EventId(Uuid::from_u128(7)),
                    delivery: DeliveryId(9),
                    index: u32::try_from(index).expect("few rows"),
                    failed_attempts: 0,
                    queued_at: now,
                    request: request.clone(),
                },
                pending: true,
            });
        }
        drop(rows);
        self.bell.on(Arc::new(|_| {}))(FeedItem::Queued);
    }

    async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.task).await.expect("it ends well");
    }
}

fn post(url: &str) -> OutgoingRequest {
    OutgoingRequest {
        method: "POST".into(),
        url: url.into(),
        headers: vec![HeaderPair {
            name: "x-own".into(),
            value: "1".into(),
        }],
        body: "{}".into(),
    }
}

/// A clock that was an hour, or years, ahead when a request was queued.
#[tokio::test]
async fn what_was_queued_by_a_clock_that_has_been_set_back_is_sent() {
    let server = Server::start(|_| Reply::status("200 OK")).await;
    let bench = Bench::start();
    // Queued while nothing is granted, so that it isn't sent before.
    bench.queue("a", &server.url("/x"), 6);
    for row in bench.store.rows.lock().expect("unpoisoned").iter_mut() {
        row.due_at = UnixMicros::now().after(Duration::from_secs(1000 * 3600));
    }
    bench.grant("a", &[&server.url("/")]);
    bench.bell.ring();
    let finished = bench.store.finished(6).await;
    assert!(
        finished
            .iter()
            .all(|finish| finish.next == OutboxNext::Sent)
    );
}

/// Retries come at once, and nothing but the bell wakes the sender.
fn options() -> Options {
    Options {
        retry: RetryPolicy {
            base: Duration::from_millis(1),
            max: Duration::from_millis(1),
            attempts: 3,
        },
        relook: Duration::from_secs(3600),
        relook_unloaded: Duration::from_millis(5),
        grace: Duration::from_secs(60),
        ..Options::default()
    }
}

fn reason(finish: &OutboxFinish) -> &str {
    match &finish.next {
        OutboxNext::Sent => "",
        OutboxNext::Retry { reason, .. } | OutboxNext::Dead { reason } => reason,
    }
}

#[tokio::test]
async fn a_queued_request_is_sent_with_its_key() {
    let server = Server::start(|_| Reply::status("204 No Content")).await;
    let bench = Bench::start();
    bench.grant("slack", &[&server.url("/")]);
    bench.queue("slack", &server.url("/hook?a=b"), 1);
    let finished = bench.store.finished(1).await;
    assert_eq!(finished[0].next, OutboxNext::Sent);
    assert_eq!((finished[0].status, finished[0].attempts), (Some(204), 1));
    let seen = server.next().await;
    assert_eq!(seen.line(), "POST /hook?a=b HTTP/1.1");
    let key = key::idempotency_key(
        &plugin("slack"),
        EventId(Uuid::from_u128(7)),
        DeliveryId(9),
        0,
    );
    assert_eq!(seen.header("idempotency-key"), [key.to_string()]);
    let own_name = concat!("hookbox/", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen.header("user-agent"), [own_name]);
    assert_eq!(seen.header("x-own"), ["1"]);
    assert_eq!(seen.body, b"{}");
    assert_eq!(bench.stats.totals().sent, 1);
}

#[tokio::test]
async fn attempts_carry_one_key_until_the_last() {
    let server = Server::start(|_| Reply::status("503 Service Unavailable")).await;
    let bench = Bench::start();
    bench.grant("slack", &[&server.url("/")]);
    bench.queue("slack", &server.url("/"), 1);
    let finished = bench.store.finished(3).await;
    let attempts: Vec<_> = finished.iter().map(|finish| finish.attempts).collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert!(matches!(finished[1].next, OutboxNext::Retry { .. }));
    assert!(matches!(finished[2].next, OutboxNext::Dead { .. }));
    assert_eq!(
        reason(&finished[2]),
        "answered 503 (attempt 3 of 3, the last)"
    );
    let first = server.next().await;
    for _ in 0..2 {
        let again = server.next().await;
        assert_eq!(
            again.header("idempotency-key"),
            first.header("idempotency-key")
        );
    }
    let totals = bench.stats.totals();
    assert_eq!(
        (totals.sent, totals.failed_attempts, totals.dead),
        (0, 3, 1)
    );
}

#[tokio::test]
async fn an_answer_whose_body_doesnt_end_is_an_answer() {
    let server =
        Server::start(|_| Reply::Stalled("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")).await;
    let hour = Bounds {
        total: Duration::from_secs(3600),
        ..Bounds::default()
    };
    let options = Options {
        body: Duration::from_millis(1),
        ..options()
    };
    let bench = Bench::with(Store::default(), options, hour);
    bench.grant("a", &[&server.url("/")]);
    bench.queue("a", &server.url("/"), 1);
    assert_eq!(bench.store.finished(1).await[0].next, OutboxNext::Sent);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start(|_| Reply::status("200 OK")).await;
    let location = elsewhere.url("/");
    let server =
        Server::start(move |_| Reply::status(&format!("302 Found\r\nlocation: {location}"))).await;
    let bench = Bench::start();
    bench.grant("slack", &[&server.url("/"), &elsewhere.url("/")]);
    bench.queue("slack", &server.url("/"), 1);
    let finished = bench.store.finished(1).await;
    assert!(matches!(finished[0].next, OutboxNext::Dead { .. }));
    assert!(reason(&finished[0]).starts_with("answered 302: redirects aren't followed"));
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn what_the_manifest_no_longer_allows_is_dead_and_not_sent() {
    let server = Server::start(|_| Reply::status("200 OK")).await;
    let bench = Bench::start();
    bench.grant("slack", &["GET https://elsewhere.example/"]);
    bench.queue("slack", &server.url("/hooks/secret"), 1);
    let finished = bench.store.finished(1).await;
    assert_eq!((finished[0].attempts, finished[0].status), (0, None));
    let line = format!("[http] allow = [\"POST http://{}/hooks/\"]", server.address);
    assert!(
        reason(&finished[0]).contains(&line),
        "{}",
        reason(&finished[0])
    );
    assert_eq!(server.connections(), 0);
    assert_eq!(
        (
            bench.stats.totals().dead,
            bench.stats.totals().failed_attempts
        ),
        (1, 0)
    );
}

#[tokio::test]
async fn a_secret_is_in_no_reason() {
    let mut bench = Bench::start();
    bench.grant("a", &[]);
    bench.queue("a", &format!("https://{SECRET}.example.com/"), 1);
    let mut header = post("https://example.com/");
    header.headers[0].name = format!("{SECRET} ");
    bench.grant("b", &["https://example.com"]);
    bench.queue_request("b", &header, 1);
    bench.bell.ring();
    let finished = bench.store.finished(2).await;
    for finish in finished {
        let OutboxNext::Dead { reason } = finish.next else {
            panic!("{:?}", finish.next);
        };
        assert!(reason.contains("[secret]"), "{reason}");
        assert!(!reason.contains(SECRET), "{reason}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn an_address_that_is_not_open_is_dead_at_once() {
    let bench = Bench::start();
    bench.grant("slack", &["http://169.254.169.254/"]);
    bench.queue("slack", "http://169.254.169.254/latest/meta-data/", 1);
    let finished = bench.store.finished(1).await;
    assert!(matches!(finished[0].next, OutboxNext::Dead { .. }));
    assert!(
        reason(&finished[0]).contains("credentials"),
        "{}",
        reason(&finished[0])
    );
}

#[tokio::test]
async fn a_header_that_would_be_two_is_dead_at_once() {
    let server = Server::start(|_| Reply::status("200 OK")).await;
    let bench = Bench::start();
    bench.grant("slack", &[&server.url("/")]);
    let mut request = post(&server.url("/"));
    request.headers[0].value = "1\r\nhost: evil.example".into();
    bench.queue_request("slack", &request, 1);
    let finished = bench.store.finished(1).await;
    assert!(
        reason(&finished[0]).contains("\"x-own\""),
        "{}",
        reason(&finished[0])
    );
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_plugin_that_is_not_loaded_keeps_its_requests_and_attempts() {
    let server = Server::start(|_| Reply::status("200 OK")).await;
    let bench = Bench::start();
    bench.grant("other", &[&server.url("/")]);
    bench.queue("slack", &server.url("/slack"), 1);
    bench.queue("other", &server.url("/other"), 1);
    // The other one's is sent, so the sender has been there.
    bench.store.finished(1).await;
    assert_eq!(server.next().await.line(), "POST /other HTTP/1.1");
    assert_eq!(bench.store.pending(), 1);
    bench.grant("slack", &[&server.url("/")]);
    let finished = bench.store.finished(2).await;
    assert_eq!(
        (finished[1].attempts, &finished[1].next),
        (1, &OutboxNext::Sent)
    );
}

#[tokio::test]
async fn many_requests_to_a_dead_host_delay_nobody_else() {
    let silent = Server::start(|_| Reply::Silence).await;
    let server = Server::start(|_| Reply::status("200 OK")).await;
    let bench = Bench::start();
    bench.grant("flood", &[&silent.url("/")]);
    bench.grant("slack", &[&server.url("/")]);
    bench.queue("flood", &silent.url("/"), 10_000);
    for _ in 0..4 {
        silent.next().await;
    }
    bench.queue("slack", &server.url("/"), 20);
    // None of the flood's ends while these are sent.
    let finished = bench.store.finished(20).await;
    assert!(
        finished
            .iter()
            .all(|finish| finish.next == OutboxNext::Sent)
    );
    assert_eq!(silent.most_open(), 4);
    assert!(server.most_open() <= 4);
}

#[tokio::test]
async fn all_plugins_together_stay_within_the_whole() {
    let server = Server::start(|_| Reply::Silence).await;
    let options = Options {
        total: 6,
        ..options()
    };
    let bounds = Bounds {
        total: Duration::from_millis(100),
        ..Bounds::default()
    };
    let bench = Bench::with(Store::default(), options, bounds);
    for name in ["a", "b", "c", "d"] {
        bench.grant(name, &[&server.url("/")]);
        bench.queue(name, &server.url("/"), 6);
    }
    // Each fails three times; all get there.
    let finished = bench.store.finished(4 * 6 * 3).await;
    assert!(
        finished
            .iter()
            .all(|finish| reason(finish).contains("no complete answer"))
    );
    assert_eq!(bench.store.pending(), 0);
}

#[tokio::test]
async fn an_outcome_is_stored_however_often_that_fails_and_the_request_sent_once() {
    let server = Server::start(|_| Reply::status("200 OK")).await;
    let store = Store {
        unconfirmed: AtomicUsize::new(2),
        ..Store::default()
    };
    let bench = Bench::with(store, options(), Bounds::default());
    bench.grant("slack", &[&server.url("/")]);
    bench.queue("slack", &server.url("/"), 1);
    let finished = bench.store.finished(1).await;
    assert_eq!(finished[0].next, OutboxNext::Sent);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_store_that_fails_is_left_alone_for_a_while() {
    let store = Store {
        closed: true,
        ..Store::default()
    };
    let bench = Bench::with(store, options(), Bounds::default());
    for _ in 0..1000 {
        bench.bell.ring();
        tokio::task::yield_now().await;
    }
    let calls = bench.store.calls.load(Ordering::SeqCst);
    assert!((1..100).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn requests_that_cannot_be_read_hold_up_no_other_plugins() {
    let server = Server::start(|_| Reply::status("200 OK")).await;
    let store = Store {
        damaged: Some("a"),
        ..Store::default()
    };
    let bench = Bench::with(store, options(), Bounds::default());
    for name in ["a", "b"] {
        bench.grant(name, &[&server.url("/")]);
    }
    bench.queue("a", &server.url("/"), 3);
    for _ in 0..5 {
        bench.queue("b", &server.url("/"), 2);
        tokio::task::yield_now().await;
    }
    bench.store.finished(10).await;
    let calls = bench.store.calls.load(Ordering::SeqCst);
    assert!(calls < 100, "the store is asked {calls} times");
    assert_eq!(bench.store.pending(), 3);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_in_flight_and_starts_nothing_more() {
    let server = Server::start(|_| Reply::Silence).await;
    let bounds = Bounds {
        total: Duration::from_millis(300),
        ..Bounds::default()
    };
    let mut bench = Bench::with(Store::default(), options(), bounds);
    bench.grant("slack", &[&server.url("/")]);
    bench.queue("slack", &server.url("/"), 10);
    for _ in 0..4 {
        server.next().await;
    }
    bench.stop().await;
    let finished = bench.store.finished(4).await;
    assert_eq!((finished.len(), server.connections()), (4, 4));
    assert_eq!(bench.store.pending(), 10, "to be sent again");
}

#[tokio::test]
async fn a_stop_abandons_what_takes_longer_than_the_grace() {
    let server = Server::start(|_| Reply::Silence).await;
    let options = Options {
        grace: Duration::ZERO,
        ..options()
    };
    let mut bench = Bench::with(Store::default(), options, Bounds::default());
    bench.grant("slack", &[&server.url("/")]);
    bench.queue("slack", &server.url("/"), 1);
    server.next().await;
    bench.stop().await;
    assert_eq!(bench.store.pending(), 1);
    assert_eq!(bench.store.finished(0).await.len(), 0);
}
