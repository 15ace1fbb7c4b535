#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::ingest::serve::{ServeOptions, serve};
use crate::journal::*;
use crate::types::event::Event;
use crate::types::{
    DeliveryId, EndpointName, EventId, EventSeq, Payload, PluginKey, PluginName, StoredEvent,
    UnixMicros,
};

const BODY: &str = r#"{"event_type":"x", "half":"\ud83d"}"#;

/// One event and one delivery, which is dead.
struct Fixed(EventId);

#[async_trait]
impl Inspect for Fixed {
    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, JournalError> {
        let event = Event {
            id,
            endpoint: EndpointName::default_endpoint(),
            event_type: "x".into(),
            agent_id: None,
            session_id: None,
            occurred_at: None,
            received_at: UnixMicros(1_500_000),
            test_header: false,
            body: Bytes::from_static(BODY.as_bytes()),
            payload: Payload::Other,
        };
        Ok((id == self.0).then(|| StoredEvent {
            seq: EventSeq(7),
            event: Arc::new(event),
        }))
    }
    async fn events(&self, _: EventFilter, _: usize) -> Result<Vec<EventRecord>, JournalError> {
        Ok(Vec::new())
    }
    async fn deliveries(
        &self,
        filter: DeliveryFilter,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let record = DeliveryRecord {
            id: DeliveryId(1),
            plugin: PluginKey {
                endpoint: EndpointName::default_endpoint(),
                plugin: PluginName::new("p").unwrap(),
            },
            event: self.0,
            event_type: "x".into(),
            session_id: None,
            state: DeliveryState::Dead,
            manual: false,
            attempts: 3,
            due_at: None,
            reason: Some("trap".into()),
            duration_us: None,
            cpu_us: None,
            peak_memory: None,
        };
        let fits = filter.state.is_none_or(|state| state == record.state)
            && filter.event.is_none_or(|event| event == record.event)
            && filter.plugin.is_none_or(|plugin| plugin == record.plugin);
        Ok([record].into_iter().filter(|_| fits).take(limit).collect())
    }
    async fn attempts(&self, _: DeliveryId) -> Result<Option<Vec<AttemptRecord>>, JournalError> {
        Ok(None)
    }
    async fn outbox(&self, _: OutboxFilter, _: usize) -> Result<Vec<OutboxRecord>, JournalError> {
        Ok(Vec::new())
    }
    async fn counters(&self, _: PluginKey) -> Result<Vec<Counter>, JournalError> {
        Ok(Vec::new())
    }
    async fn counts(&self) -> Result<Counts, JournalError> {
        Ok(Counts {
            events: 1,
            dead: 1,
            ..Counts::default()
        })
    }
}

struct NoPlugins;

impl PluginsView for NoPlugins {
    fn plugins(&self) -> Vec<serde_json::Value> {
        vec![]
    }
}

async fn start(token: Option<&str>) -> (SocketAddr, EventId) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let id = EventId::generate();
    let router = router(Admin {
        journal: Arc::new(Fixed(id)),
        plugins: Arc::new(NoPlugins),
        readiness: Readiness::waiting("starting"),
        stats: Arc::default(),
        token: token.map(Secret::new),
        more_metrics: vec![Arc::new(|page| {
            page.metric("more", "gauge", "More.");
            page.sample("more", &[("text", "a\"b\\c\nd")], 1.5);
        })],
    });
    tokio::spawn(serve(
        listener,
        router,
        ServeOptions::default(),
        std::future::pending(),
    ));
    (addr, id)
}

/// Status and body.
async fn get(addr: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

const LOCAL: &str = "host: localhost\r\n";

#[tokio::test]
async fn shows_an_event_with_its_body_as_sent() {
    let (addr, id) = start(None).await;
    let (status, body) = get(addr, &format!("/api/events/{id}"), LOCAL).await;
    assert_eq!(status, 200);
    assert!(body.contains(&format!(r#""body":{BODY}"#)), "{body}");
    assert!(body.contains(r#""received_at":1.5"#), "{body}");
    let other = EventId::generate();
    assert_eq!(
        get(addr, &format!("/api/events/{other}"), LOCAL).await.0,
        404
    );
    assert_eq!(get(addr, "/api/events/x", LOCAL).await.0, 400);
}

#[tokio::test]
async fn lists_deliveries_by_filter() {
    let (addr, id) = start(None).await;
    for (query, found) in [
        (String::new(), true),
        (format!("?state=dead&plugin=p&event={id}&limit=5"), true),
        ("?state=done".to_owned(), false),
        ("?plugin=q".to_owned(), false),
        ("?limit=0".to_owned(), false),
    ] {
        let (status, body) = get(addr, &format!("/api/deliveries{query}"), LOCAL).await;
        assert_eq!(
            (status, body.contains(r#""reason":"trap""#)),
            (200, found),
            "{query}"
        );
        assert!(body.starts_with(r#"{"deliveries":["#), "{body}");
    }
    for query in ["?state=lost", "?limit=x", "?plugin=A%20B", "?plugins=p"] {
        let (status, body) = get(addr, &format!("/api/deliveries{query}"), LOCAL).await;
        assert_eq!(
            (status, body.contains("bad_request")),
            (400, true),
            "{query}"
        );
    }
}

#[tokio::test]
async fn metrics_are_in_the_text_format() {
    let (addr, _) = start(None).await;
    let (status, page) = get(addr, "/metrics", LOCAL).await;
    assert_eq!(status, 200);
    for line in [
        "hookbox_ready 0",
        "hookbox_requests_total{outcome=\"stored\"} 0",
        "hookbox_answer_seconds_bucket{le=\"0.00025\"} 0",
        "hookbox_answer_seconds_bucket{le=\"+Inf\"} 0",
        "hookbox_deliveries{state=\"dead\"} 1",
        "more{text=\"a\\\"b\\\\c\\nd\"} 1.5",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} in {page}");
    }
}

#[tokio::test]
async fn without_a_token_only_this_machine_may_be_named() {
    let (addr, _) = start(None).await;
    for path in ["/metrics", "/api/plugins", "/nothing"] {
        assert_eq!(
            get(addr, path, "host: evil.example\r\n").await.0,
            403,
            "{path}"
        );
    }
    assert_eq!(
        get(addr, "/api/plugins", LOCAL).await,
        (200, r#"{"plugins":[]}"#.to_owned())
    );
    assert_eq!(get(addr, "/nothing", LOCAL).await.0, 404);
    assert_eq!(get(addr, "/healthz", "host: evil.example\r\n").await.0, 200);
    assert_eq!(get(addr, "/readyz", LOCAL).await.0, 503);
}

#[tokio::test]
async fn with_a_token_everything_but_health_needs_it() {
    let (addr, _) = start(Some("t0")).await;
    for headers in [
        "",
        "authorization: Bearer t1\r\n",
        "authorization: t0\r\n",
        "authorization: Bearer t0\r\nauthorization: Bearer t0\r\n",
    ] {
        let (status, _) = get(
            addr,
            "/api/plugins",
            &format!("host: localhost\r\n{headers}"),
        )
        .await;
        assert_eq!(status, 401, "{headers}");
    }
    let good = "host: hooks.example\r\nauthorization: bearer t0\r\n";
    assert_eq!(get(addr, "/api/plugins", good).await.0, 200);
    assert_eq!(get(addr, "/healthz", "host: x\r\n").await.0, 200);
}
