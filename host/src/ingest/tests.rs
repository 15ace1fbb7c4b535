#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::serve::{ServeOptions, serve};
use super::*;
use crate::journal::*;
use crate::types::Secret;
use crate::types::event::Event;
use crate::types::{DedupeKey, EventId, EventSeq};

/// Appends in memory; everything else isn't ingest's.
#[derive(Default)]
struct Memory {
    events: Mutex<Vec<Arc<Event>>>,
    keys: Mutex<HashMap<(EndpointName, DedupeKey), EventId>>,
    fails: Mutex<Option<JournalError>>,
    /// Where set, appends tell that they have begun and wait.
    gate: Option<(Notify, Notify)>,
}

#[async_trait]
impl Intake for Memory {
    async fn append(&self, new: NewEvent) -> Result<Appended, JournalError> {
        if let Some((begun, go)) = &self.gate {
            begun.notify_one();
            go.notified().await;
        }
        if let Some(error) = self.fails.lock().unwrap().clone() {
            return Err(error);
        }
        if let Some(key) = new.dedupe {
            let key = (new.event.endpoint.clone(), key);
            if let Some(of) = self.keys.lock().unwrap().get(&key) {
                return Ok(Appended::Duplicate { of: *of });
            }
            self.keys.lock().unwrap().insert(key, new.event.id);
        }
        self.events.lock().unwrap().push(new.event);
        Ok(Appended::Stored {
            seq: EventSeq(1),
            deliveries: 0,
        })
    }
}

struct Host {
    addr: SocketAddr,
    journal: Arc<Memory>,
    readiness: Readiness,
    stats: Arc<Stats>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Host {
    async fn start(
        journal: Memory,
        auth: Vec<Scheme>,
        bounds: Bounds,
        options: ServeOptions,
    ) -> Self {
        let endpoints = vec![Endpoint::default_endpoint(auth)];
        Self::with(endpoints, journal, bounds, options).await
    }

    async fn with(
        endpoints: Vec<Endpoint>,
        journal: Memory,
        bounds: Bounds,
        options: ServeOptions,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let journal = Arc::new(journal);
        let readiness = Readiness::waiting("the plugin folder hasn't been scanned yet");
        let stats = Arc::new(Stats::default());
        let router = router(Ingest {
            journal: journal.clone(),
            endpoints,
            bounds,
            readiness: readiness.clone(),
            stats: stats.clone(),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, router, options, async {
            let _ = stopped.await;
        }));
        Self {
            addr,
            journal,
            readiness,
            stats,
            stop: Some(stop),
            task,
        }
    }

    async fn plain() -> Self {
        Self::start(
            Memory::default(),
            vec![],
            Bounds::default(),
            ServeOptions::default(),
        )
        .await
    }

    /// Sends raw bytes, closes nothing, reads until the host closes.
    async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn post(&self, headers: &str, body: &[u8]) -> String {
        self.post_to("/webhook", headers, body).await
    }

    async fn post_to(&self, path: &str, headers: &str, body: &[u8]) -> String {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        ).into_bytes();
        request.extend_from_slice(body);
        self.raw(&request).await
    }

    fn events(&self) -> Vec<Arc<Event>> {
        self.journal.events.lock().unwrap().clone()
    }
}

fn assert_ok(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("content-type: application/json\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n{\"status\":\"ok\"}"), "{answer}");
}

fn assert_problem(answer: &str, status: u16, code: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["error"]["code"], code);
    assert!(!body["error"]["message"].as_str().unwrap().is_empty());
}

const CHAT: &[u8] = include_bytes!("../../../tests/samples/chat.push.json");

#[tokio::test]
async fn every_sample_is_stored_byte_for_byte_and_answered_200() {
    let host = Host::plain().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/samples");
    let mut bodies = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let body = std::fs::read(file.unwrap().path()).unwrap();
        assert_ok(&host.post("", &body).await);
        bodies.push(body);
    }
    assert_eq!(bodies.len(), 6);
    let stored: Vec<_> = host
        .events()
        .iter()
        .map(|event| event.body.to_vec())
        .collect();
    assert_eq!(stored, bodies);
}

#[tokio::test]
async fn an_unknown_type_and_a_misfit_are_stored() {
    let host = Host::plain().await;
    assert_ok(&host.post("", br#"{"event_type":"brand.new"}"#).await);
    assert_ok(
        &host
            .post("", br#"{"event_type":"room.join","data":[]}"#)
            .await,
    );
    assert_eq!(host.events().len(), 2);
}

#[tokio::test]
async fn a_duplicate_is_answered_200_and_says_so() {
    let host = Host::plain().await;
    assert!(!host.post("", CHAT).await.contains("hookbox-duplicate-of"));
    let again = host.post("", CHAT).await;
    assert_ok(&again);
    let first = host.events()[0].id;
    assert!(
        again.contains(&format!("hookbox-duplicate-of: {first}\r\n")),
        "{again}"
    );
    // The id in the body counts, whatever else the body says; headers don't.
    let account = |created: u32| format!(r#"{{"id":"evt_1","event":"ping","created":{created}}}"#);
    assert_ok(&host.post("", account(1).as_bytes()).await);
    let again = host
        .post("x-bithuman-delivery: evt_2\r\n", account(2).as_bytes())
        .await;
    assert!(again.contains("hookbox-duplicate-of"), "{again}");
    assert_eq!(host.events().len(), 2);
    assert_eq!(host.stats.snapshot().duplicates, 2);
}

#[tokio::test]
async fn a_test_is_always_handled_and_the_test_header_changes_nothing() {
    let host = Host::plain().await;
    for _ in 0..2 {
        assert_ok(&host.post("", br#"{"event_type":"test"}"#).await);
        host.post("x-test-webhook: true\r\n", CHAT).await;
    }
    let flags: Vec<_> = host
        .events()
        .iter()
        .map(|event| event.test_header)
        .collect();
    assert_eq!(flags, [false, true, false]);
}

#[tokio::test]
async fn what_is_refused_has_a_status_and_a_code() {
    let host = Host::plain().await;
    let deep = format!(r#"{{"event":"x","d":{}"#, "[".repeat(10_000));
    for (body, code) in [
        (&b"{"[..], "malformed_json"),
        (b"\xff", "not_utf8"),
        (b"[]", "not_an_object"),
        (b"{}", "no_event_type"),
        (deep.as_bytes(), "too_deep"),
    ] {
        assert_problem(&host.post("", body).await, 400, code);
    }
    assert_problem(
        &host.post("content-type: text/plain\r\n", CHAT).await,
        415,
        "content_type",
    );
    let get = b"GET /webhook HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    let answer = host.raw(get).await;
    assert_problem(&answer, 405, "method_not_allowed");
    assert!(answer.contains("allow: POST\r\n"), "{answer}");
    let lost = b"POST /other HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    let answer = host.raw(lost).await;
    assert_problem(&answer, 404, "not_found");
    assert!(answer.contains("posted to /webhook"), "{answer}");
    assert!(host.events().is_empty());
    assert_eq!(host.stats.snapshot().refused["too_deep"], 1);
    assert_ok(&host.post("", CHAT).await);
}

#[tokio::test]
async fn json_content_types_are_taken_with_parameters() {
    let host = Host::plain().await;
    for kind in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/cloudevents+json",
    ] {
        assert_ok(
            &host
                .post(&format!("content-type: {kind}\r\n"), br#"{"event":"test"}"#)
                .await,
        );
    }
}

#[tokio::test]
async fn a_body_above_the_bound_is_413_declared_or_not() {
    let host = Host::plain().await;
    let body = vec![b' '; 10 << 20];
    assert_problem(&host.post("", &body).await, 413, "too_large");
    let mut chunked = b"POST /webhook HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n100001\r\n".to_vec();
    chunked.resize(chunked.len() + (1 << 20) + 1, b' ');
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    assert_problem(&host.raw(&chunked).await, 413, "too_large");
    let mut largest = br#"{"event":"test"}"#.to_vec();
    largest.resize(1 << 20, b' ');
    assert_ok(&host.post("", &largest).await);
}

#[tokio::test]
async fn a_body_that_stops_is_400_timeout() {
    let bounds = Bounds {
        body_timeout: Duration::from_millis(20),
        ..Bounds::default()
    };
    let host = Host::start(Memory::default(), vec![], bounds, ServeOptions::default()).await;
    let answer = host
        .raw(b"POST /webhook HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n{")
        .await;
    assert_problem(&answer, 400, "timeout");
}

#[tokio::test]
async fn a_head_that_stops_closes_the_connection() {
    let options = ServeOptions {
        header_timeout: Duration::from_millis(20),
        ..ServeOptions::default()
    };
    let host = Host::start(Memory::default(), vec![], Bounds::default(), options).await;
    host.raw(b"POST /webhook HTTP/1.1\r\nhost:").await;
    assert_ok(&host.post("", CHAT).await);
}

#[tokio::test]
async fn unsigned_requests_are_401_before_they_are_parsed() {
    let scheme = Scheme::Hmac {
        secret: Secret::new("s"),
    };
    let host = Host::start(
        Memory::default(),
        vec![scheme],
        Bounds::default(),
        ServeOptions::default(),
    )
    .await;
    assert_problem(&host.post("", b"{").await, 401, "unauthorized");
    let signed = |body: &[u8]| format!("X-bitHuman-Signature: {}\r\n", auth::signature(b"s", body));
    assert_problem(&host.post(&signed(b"{"), b"{").await, 400, "malformed_json");
    assert_ok(&host.post(&signed(CHAT), CHAT).await);
}

#[tokio::test]
async fn what_is_not_stored_is_503_and_may_come_again() {
    let host = Host::plain().await;
    for (error, code) in [
        (JournalError::Full("no space".into()), "store_full"),
        (JournalError::Unconfirmed("fsync".into()), "not_confirmed"),
        (JournalError::Closed, "shutting_down"),
    ] {
        *host.journal.fails.lock().unwrap() = Some(error);
        let answer = host.post("", CHAT).await;
        assert_problem(&answer, 503, code);
        assert!(answer.contains("retry-after: 5\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn above_the_bound_in_flight_is_429_and_shutdown_answers_the_rest() {
    let gated = Memory {
        gate: Some((Notify::new(), Notify::new())),
        ..Memory::default()
    };
    let bounds = Bounds {
        max_in_flight: 1,
        ..Bounds::default()
    };
    let mut host = Host::start(gated, vec![], bounds, ServeOptions::default()).await;
    let journal = host.journal.clone();
    let (begun, go) = journal.gate.as_ref().unwrap();
    let stop = host.stop.take().unwrap();
    let first = async {
        // No `connection: close`: the shutdown ends the connection.
        let head = format!(
            "POST /webhook HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n",
            CHAT.len()
        );
        host.raw(&[head.as_bytes(), CHAT].concat()).await
    };
    let second = async {
        begun.notified().await;
        let refused = host.post("", CHAT).await;
        stop.send(()).unwrap();
        go.notify_one();
        refused
    };
    let (answered, refused) = tokio::join!(first, second);
    assert_ok(&answered);
    assert_problem(&refused, 429, "overloaded");
    host.task.await.unwrap();
    assert!(TcpStream::connect(host.addr).await.is_err());
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let host = Host::plain().await;
    let one = |close: &str| {
        format!(
            "POST /webhook HTTP/1.1\r\nhost: h\r\n{close}content-length: 16\r\n\r\n{{\"event\":\"test\"}}"
        )
    };
    let answers = host
        .raw(format!("{}{}", one(""), one("connection: close\r\n")).as_bytes())
        .await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2);
}

#[tokio::test]
async fn readyz_tells_why_not_and_healthz_is_always_200() {
    let host = Host::plain().await;
    let get = async |path: &str| {
        host.raw(format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").as_bytes())
            .await
    };
    assert_ok(&get("/healthz").await);
    assert_problem(&get("/readyz").await, 503, "not_ready");
    host.readiness.ready();
    assert_ok(&get("/readyz").await);
}

#[tokio::test]
async fn each_endpoint_has_its_own_path_authentication_and_duplicates() {
    let endpoint = |name: &str, key: &str| Endpoint {
        name: EndpointName::new(name).unwrap(),
        path: format!("/webhook/{name}"),
        auth: vec![Scheme::Header {
            name: "x-key".parse().unwrap(),
            value: Secret::new(key),
        }],
    };
    let host = Host::with(
        vec![endpoint("shop", "s"), endpoint("blog", "b")],
        Memory::default(),
        Bounds::default(),
        ServeOptions::default(),
    )
    .await;
    let shop = async |key: &str| host.post_to("/webhook/shop", key, CHAT).await;
    let blog = async |key: &str| host.post_to("/webhook/blog", key, CHAT).await;
    assert_problem(&shop("x-key: b\r\n").await, 401, "unauthorized");
    assert_problem(&blog("x-key: s\r\n").await, 401, "unauthorized");
    for answer in [shop("x-key: s\r\n").await, blog("x-key: b\r\n").await] {
        assert_ok(&answer);
        assert!(!answer.contains(DUPLICATE_OF), "{answer}");
    }
    assert!(shop("x-key: s\r\n").await.contains(DUPLICATE_OF));
    let names: Vec<_> = host
        .events()
        .iter()
        .map(|event| event.endpoint.clone())
        .collect();
    assert_eq!(
        names.iter().map(EndpointName::as_str).collect::<Vec<_>>(),
        ["shop", "blog"]
    );

    let nowhere = host.post("x-key: s\r\n", CHAT).await;
    assert_problem(&nowhere, 404, "not_found");
    assert!(!nowhere.contains("/webhook/"), "{nowhere}");
}
