#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::ingest::serve::{ServeOptions, serve};
use crate::journal::*;
use crate::types::effects::LogEntry;
use crate::types::event::Event;
use crate::types::{
    DeliveryId, EndpointName, EventId, EventSeq, OutboxId, Payload, PluginKey, PluginName,
    StoredEvent, UnixMicros,
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
    async fn events(
        &self,
        filter: EventFilter,
        limit: usize,
    ) -> Result<Vec<EventRecord>, JournalError> {
        let record = EventRecord {
            id: self.0,
            seq: EventSeq(7),
            endpoint: EndpointName::default_endpoint(),
            event_type: "x".into(),
            agent_id: None,
            session_id: None,
            received_at: UnixMicros(1_500_000),
            deliveries: 1,
        };
        let fits = filter.endpoint.is_none_or(|it| it == record.endpoint)
            && filter.event_type.is_none_or(|it| it == record.event_type)
            && filter.before.is_none_or(|it| it > record.seq);
        Ok([record].into_iter().filter(|_| fits).take(limit).collect())
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
        let fits = filter.before.is_none_or(|before| before > record.id)
            && filter.state.is_none_or(|state| state == record.state)
            && filter.event.is_none_or(|event| event == record.event)
            && filter.plugin.is_none_or(|plugin| plugin == record.plugin);
        Ok([record].into_iter().filter(|_| fits).take(limit).collect())
    }
    async fn attempts(&self, id: DeliveryId) -> Result<Option<Vec<AttemptRecord>>, JournalError> {
        let attempt = AttemptRecord {
            number: 3,
            outcome: DeliveryState::Dead,
            reason: Some("trap".into()),
            started_at: UnixMicros(5),
            duration_us: 6,
            cpu_us: 7,
            peak_memory: 8,
            log: vec![LogEntry {
                level: "info".into(),
                context: String::new(),
                message: "hello".into(),
            }],
        };
        Ok((id == DeliveryId(1)).then(|| vec![attempt]))
    }
    async fn outbox(
        &self,
        filter: OutboxFilter,
        _: usize,
    ) -> Result<Vec<OutboxRecord>, JournalError> {
        let record = OutboxRecord {
            id: OutboxId(4),
            plugin: filter.plugin.ok_or(JournalError::Closed)?,
            event: self.0,
            delivery: filter.delivery.ok_or(JournalError::Closed)?,
            index: 0,
            method: "POST".into(),
            target: "https://example.com:443".into(),
            state: filter.state.ok_or(JournalError::Closed)?,
            attempts: 2,
            queued_at: UnixMicros(1),
            due_at: None,
            status: Some(500),
            reason: Some("500".into()),
        };
        Ok(vec![record])
    }
    async fn counters(&self, plugin: PluginKey) -> Result<Vec<Counter>, JournalError> {
        let name = format!("{}/{}", plugin.endpoint, plugin.plugin);
        Ok(vec![Counter { name, value: -5 }])
    }
    async fn counts(&self) -> Result<Counts, JournalError> {
        Ok(Counts {
            events: 1,
            dead: 1,
            ..Counts::default()
        })
    }
}

/// Remembers what it was asked; delivery 1 is dead, 2 is not, and a plugin has
/// two steps' worth to do.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Asked {
    fn note<T>(&self, what: String, answer: T) -> Result<T, JournalError> {
        self.0.lock().unwrap().push(what);
        Ok(answer)
    }
}

fn known(id: i64) -> Retried {
    match id {
        1 => Retried::Pending,
        2 => Retried::NotDead,
        _ => Retried::Unknown,
    }
}

#[async_trait]
impl Operate for Asked {
    async fn retry(&self, id: DeliveryId) -> Result<Retried, JournalError> {
        self.note(format!("retry {id}"), known(id.0))
    }
    async fn retry_dead(
        &self,
        plugin: PluginKey,
        after: DeliveryId,
    ) -> Result<Replayed<DeliveryId>, JournalError> {
        let step = Replayed {
            deliveries: 3,
            seen: 4,
            next: (after.0 == 0).then_some(DeliveryId(9)),
        };
        self.note(format!("dead of {} after {after}", plugin.plugin), step)
    }
    async fn replay(&self, replay: Replay) -> Result<Replayed<EventSeq>, JournalError> {
        let step = Replayed {
            deliveries: 1,
            seen: 2,
            next: None,
        };
        self.note(format!("{replay:?}"), step)
    }
    async fn outbox_retry(&self, id: OutboxId) -> Result<Retried, JournalError> {
        self.note(format!("request {id}"), known(id.0))
    }
}

struct NoPlugins;

impl PluginsView for NoPlugins {
    fn plugins(&self) -> Vec<serde_json::Value> {
        vec![]
    }
    fn find(&self, name: &PluginName) -> Vec<(EndpointName, Presence)> {
        let at = |endpoint: &str| EndpointName::new(endpoint).unwrap();
        match name.as_str() {
            "p" => vec![(at("default"), Presence::Installed)],
            "off" => vec![(at("default"), Presence::Disabled)],
            "both" => vec![
                (at("a"), Presence::Installed),
                (at("b"), Presence::Installed),
            ],
            _ => vec![],
        }
    }
}

async fn start(token: Option<&str>) -> (SocketAddr, EventId) {
    let (addr, id, _) = start_and_watch(token).await;
    (addr, id)
}

async fn start_and_watch(token: Option<&str>) -> (SocketAddr, EventId, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let id = EventId::generate();
    let router = router(Admin {
        journal: Arc::new(Fixed(id)),
        operate: asked.clone(),
        plugins: Arc::new(NoPlugins),
        readiness: Readiness::waiting("starting"),
        stats: Arc::default(),
        token: token.map(Secret::new),
        redactor: Redactor::default(),
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
    (addr, id, asked)
}

/// Status and body.
async fn get(addr: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    send(addr, "GET", path, headers, "").await
}

const JSON: &str = "host: localhost\r\ncontent-type: application/json\r\n";

async fn post(addr: SocketAddr, path: &str, body: &str) -> (u16, String) {
    send(addr, "POST", path, JSON, body).await
}

async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
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

#[tokio::test]
async fn lists_events_requests_and_counters_by_filter() {
    let (addr, id) = start(None).await;
    for (query, found) in [
        ("", true),
        ("?endpoint=default&type=x&before=8&limit=1", true),
        ("?type=y", false),
        ("?before=7", false),
    ] {
        let (status, body) = get(addr, &format!("/api/events{query}"), LOCAL).await;
        assert_eq!(
            (status, body.contains(&id.to_string())),
            (200, found),
            "{query}"
        );
    }
    let path = "/api/outbox?plugin=p&state=dead&delivery=3";
    let (status, body) = get(addr, path, LOCAL).await;
    assert_eq!(status, 200);
    assert!(
        body.contains(r#""delivery":3"#) && body.contains(r#""state":"dead""#),
        "{body}"
    );

    let (status, body) = get(addr, "/api/counters?plugin=gone", LOCAL).await;
    assert_eq!(
        (status, &body[..]),
        (200, r#"{"counters":[{"name":"default/gone","value":-5}]}"#)
    );
    let (_, body) = get(addr, "/api/counters?endpoint=a&plugin=both", LOCAL).await;
    assert!(body.contains("a/both"), "{body}");
    for path in [
        "/api/counters",
        "/api/counters?plugin=both",
        "/api/events?limit=-1",
        "/api/outbox?state=done",
        "/api/outbox?endpoint=a",
    ] {
        let (status, body) = get(addr, path, LOCAL).await;
        assert_eq!(
            (status, body.contains("bad_request")),
            (400, true),
            "{path}: {body}"
        );
    }
}

#[tokio::test]
async fn shows_a_delivery_with_its_attempts() {
    let (addr, _) = start(None).await;
    let (status, body) = get(addr, "/api/deliveries/1", LOCAL).await;
    assert_eq!(status, 200);
    let seen: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(seen["delivery"]["manual"], false);
    assert_eq!(seen["attempts"][0]["started_at"], 5);
    assert_eq!(seen["attempts"][0]["log"][0]["message"], "hello");
    assert_eq!(get(addr, "/api/deliveries/2", LOCAL).await.0, 404);
    for path in [
        "/api/deliveries/x",
        "/api/deliveries/%ff",
        "/api/events/%ff",
    ] {
        let (status, body) = get(addr, path, LOCAL).await;
        assert_eq!(
            (status, body.contains("bad_request")),
            (400, true),
            "{path}: {body}"
        );
    }
}

#[tokio::test]
async fn a_body_is_one_json_value() {
    let (addr, _) = start(None).await;
    for more in ["x", "{}", r#",{"plugin":"q"}"#] {
        let (status, body) = post(addr, "/api/retry", &format!(r#"{{"plugin":"p"}}{more}"#)).await;
        assert_eq!(
            (status, body.contains("bad_request")),
            (400, true),
            "{more}: {body}"
        );
    }
}

#[tokio::test]
async fn one_thing_is_retried_only_if_it_is_dead() {
    let (addr, _, asked) = start_and_watch(None).await;
    for kind in ["deliveries", "outbox"] {
        for (id, status, code) in [
            (1, 200, r#"{"state":"pending"}"#),
            (2, 409, "conflict"),
            (3, 404, "not_found"),
        ] {
            let answer = post(addr, &format!("/api/{kind}/{id}/retry"), "").await;
            assert_eq!(
                (answer.0, answer.1.contains(code)),
                (status, true),
                "{answer:?}"
            );
        }
    }
    assert_eq!(asked.0.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn long_jobs_are_one_request_for_each_step() {
    let (addr, _, asked) = start_and_watch(None).await;
    let first = post(addr, "/api/retry", r#"{"plugin":"p"}"#).await;
    assert_eq!(
        first,
        (200, r#"{"deliveries":3,"seen":4,"next":9}"#.to_owned())
    );
    let last = post(addr, "/api/retry", r#"{"plugin":"p","after":9}"#).await;
    assert_eq!(
        last,
        (200, r#"{"deliveries":3,"seen":4,"next":null}"#.to_owned())
    );

    let wanted = r#"{"endpoint":"default","plugin":"p","since":1,"until":2,"types":["x"],"after":3,"through":4}"#;
    let step = post(addr, "/api/replay", wanted).await;
    assert_eq!(
        step,
        (200, r#"{"deliveries":1,"seen":2,"next":null}"#.to_owned())
    );
    let asked = asked.0.lock().unwrap().clone();
    assert_eq!(asked[..2], ["dead of p after 0", "dead of p after 9"]);
    for part in [
        "since: Some(UnixMicros(1))",
        "until: Some(UnixMicros(2))",
        r#"types: ["x"]"#,
        "after: EventSeq(3)",
        "through: Some(EventSeq(4))",
    ] {
        assert!(asked[2].contains(part), "{} lacks {part}", asked[2]);
    }
}

#[tokio::test]
async fn nothing_is_changed_for_a_wrong_question_or_another_site() {
    let (addr, _, asked) = start_and_watch(None).await;
    for (body, status, hint) in [
        ("", 400, "EOF"),
        ("{}", 400, "missing field `plugin`"),
        (r#"{"plugin":"p","sinze":1}"#, 400, "unknown field `sinze`"),
        (r#"{"plugin":"P"}"#, 400, "`plugin`: "),
        (r#"{"plugin":"p","since":"now"}"#, 400, "`since`: "),
        (r#"{"plugin":"p","since":2,"until":2}"#, 400, "`until`"),
        (r#"{"plugin":"both"}"#, 400, "say which"),
        (r#"{"plugin":"off"}"#, 409, "is disabled"),
        (r#"{"plugin":"gone"}"#, 503, "starting"),
    ] {
        let answer = post(addr, "/api/replay", body).await;
        assert_eq!(
            (answer.0, answer.1.contains(hint)),
            (status, true),
            "{body}: {answer:?}"
        );
    }
    let plain = "host: localhost\r\ncontent-type: text/plain\r\n";
    let foreign = format!("{JSON}origin: http://evil.example\r\n");
    let elsewhere = JSON.replace("localhost", "evil.example");
    for (headers, status) in [
        (plain, 415),
        (&foreign, 403),
        (&elsewhere, 403),
        (LOCAL, 415),
    ] {
        let path = "/api/deliveries/1/retry";
        assert_eq!(
            send(addr, "POST", path, headers, "").await.0,
            status,
            "{headers}"
        );
    }
    assert_eq!(get(addr, "/api/replay", LOCAL).await.0, 405);
    assert_eq!(post(addr, "/api/deliveries", "").await.0, 405);
    assert_eq!(*asked.0.lock().unwrap(), Vec::<String>::new());

    let (addr, _, _) = start_and_watch(Some("t0")).await;
    assert_eq!(post(addr, "/api/deliveries/1/retry", "").await.0, 401);
}
