//! Requests that a handler makes itself: a real component, real sockets.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::{attempt, load};
use crate::contract;
use crate::outbound::client::Bounds;
use crate::outbound::tests::server::{Reply, Server};
use crate::outbound::tests::{Names, client, local_client};
use crate::outbound::{Client, Grants};
use crate::sandbox::{
    Attempt, AttemptLimits, EngineLimits, Failure, HttpLimits, Program, Report, Sandbox, Verdict,
};
use crate::toolchain::{Options, build_plugin};
use crate::types::Payload;

/// The plugin `tests/fixtures/caller`, built once.
fn caller() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/caller");
        let out = tempfile::tempdir().expect("a folder");
        let built =
            build_plugin(&source, out.path(), &Options::default(), &mut |_| {}).expect("it builds");
        std::fs::read(built.component).expect("it was written")
    })
}

struct Host {
    sandbox: Sandbox,
    program: Program,
    limits: AttemptLimits,
    allow: Vec<String>,
}

impl Host {
    /// Where all names are this machine, which is open.
    fn local(allow: &[&str]) -> Self {
        Self::with(local_client(Bounds::default()), allow)
    }

    fn with(client: Client, allow: &[&str]) -> Self {
        let limits = EngineLimits {
            attempts: 4,
            ..EngineLimits::default()
        };
        let sandbox = Sandbox::new(limits, client).expect("the engine starts");
        let program = load(&sandbox, caller());
        Self {
            sandbox,
            program,
            limits: AttemptLimits {
                wall: Duration::from_secs(60),
                ..AttemptLimits::default()
            },
            allow: allow.iter().map(|&entry| entry.to_owned()).collect(),
        }
    }

    async fn run(&self, message: &str) -> Report {
        let grants = Grants::parse(&self.allow).expect("good entries");
        let mut event = attempt(self.limits);
        let mut changed = (*event.event).clone();
        let Payload::ChatPush(push) = &mut changed.payload else {
            panic!("another event");
        };
        push.message = message.into();
        event.event = changed.into();
        let attempt = Attempt {
            grants: grants.into(),
            ..event
        };
        self.sandbox.run(&self.program, attempt).await
    }

    /// The lines of an attempt that is done.
    async fn said(&self, message: &str) -> Vec<String> {
        let report = self.run(message).await;
        assert_eq!(report.verdict, Verdict::Done, "{:?}", report.log);
        report.log.into_iter().map(|line| line.message).collect()
    }
}

fn ok() -> Reply {
    Reply::status("200 OK")
}

fn body(length: usize) -> Reply {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    Reply::Bytes([head.into_bytes(), vec![b'y'; length]].concat())
}

const PIECE: &str = "20\r\nabcdefghijklmnopqrstuvwxyz012345\r\n";

const ENDLESS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn the_component_fits_the_contract_and_says_that_it_makes_requests() {
    let (_, inspection) = contract::read(caller()).expect("a component");
    assert!(inspection.fits(), "{:?}", inspection.problems);
    let imports = inspection.imports.iter();
    assert!(
        imports
            .map(|item| &*item.name)
            .any(|name| name.starts_with("wasi:http/"))
    );
}

#[tokio::test]
async fn a_request_that_is_allowed_is_made() {
    let server = Server::start(|_| ok()).await;
    let host = Host::local(&[&server.url("/")]);
    let call = format!("POST {} x-one:1 +10000", server.url("/in?a=%20b"));
    assert_eq!(host.said(&call).await, ["200 - 2 ok"]);
    let seen = server.next().await;
    assert_eq!(seen.line(), "POST /in?a=%20b HTTP/1.1");
    assert_eq!(seen.header("host"), [server.address.to_string()]);
    assert_eq!(seen.header("content-length"), ["10000"]);
    assert_eq!(seen.header("x-one"), ["1"]);
    assert_eq!(seen.body, vec![b'x'; 10_000]);
}

#[tokio::test]
async fn another_host_method_or_path_is_denied_and_the_log_says_the_line() {
    let server = Server::start(|_| ok()).await;
    let host = Host::local(&[&format!("GET {}", server.url("/v1/"))]);
    let origin = format!("http://localhost:{}", server.address.port());
    for (call, line) in [
        (format!("GET {origin}/v1/a"), format!("GET {origin}/v1/")),
        (
            format!("POST {}", server.url("/v1/a")),
            format!("POST {}", server.url("/v1/")),
        ),
        (
            format!("GET {}", server.url("/v2/secret-token")),
            format!("GET {}", server.url("/v2/")),
        ),
        (
            format!("GET {}", server.url("/v1/%2e%2E/%2Fadmin")),
            format!("GET {}", server.url("/")),
        ),
    ] {
        let said = host.said(&call).await;
        assert_eq!(said.len(), 2, "{said:?}");
        let told = format!("add [http] allow = [\"{line}\"] to it");
        assert!(said[0].contains(&told), "{call}: {said:?}");
        assert!(!said[0].contains("secret-token"), "{said:?}");
        assert!(said[1].starts_with("Denied("), "{said:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn nothing_is_allowed_by_default() {
    let said = Host::local(&[]).said("GET https://example.com/").await;
    assert!(said[1].starts_with("Denied("), "{said:?}");
}

#[tokio::test]
async fn an_address_that_is_closed_is_refused_by_name_and_by_number() {
    let server = Server::start(|_| ok()).await;
    let names = Names::new(&[&["127.0.0.1"]]);
    let port = server.address.port();
    let places = [format!("http://a.example:{port}"), server.url("/")];
    let allow: Vec<_> = places.iter().map(String::as_str).collect();
    let host = Host::with(client(names, &[], Vec::new(), Bounds::default()), &allow);
    for place in &places {
        let said = host.said(&format!("GET {place}")).await;
        assert!(said[0].contains("is this machine"), "{said:?}");
        assert!(said[1].contains("DestinationIpProhibited"), "{said:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_asked_anew_and_refused() {
    let server = Server::start(|_| ok()).await;
    let names = Names::new(&[&["127.0.0.1"], &["169.254.169.254"], &["10.0.0.1"]]);
    let place = format!("http://a.example:{}/", server.address.port());
    let client = client(names.clone(), &["127.0.0.1"], Vec::new(), Bounds::default());
    let host = Host::with(client, &[&place]);
    let said = host
        .said(&format!("GET {place}\nGET {place}\nGET {place}"))
        .await;
    assert_eq!(said[0], "200 - 2 ok");
    assert!(said[2].contains("DestinationIpProhibited"), "{said:?}");
    assert!(said[4].contains("DestinationIpProhibited"), "{said:?}");
    assert_eq!(names.asked().len(), 3, "once for each request");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let server = Server::start(|_| {
        let head = "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n";
        Reply::Bytes(head.into())
    })
    .await;
    let host = Host::local(&[&server.url("/")]);
    let said = host.said(&format!("GET {}", server.url("/"))).await;
    assert_eq!(said, ["302 /other 0 "]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_answers_body_is_read_up_to_the_limit() {
    let server = Server::start(|seen| match seen.line() {
        "GET /fits HTTP/1.1" => body(1 << 20),
        "GET /above HTTP/1.1" => body((1 << 20) + 1),
        _ => Reply::Endless(ENDLESS, PIECE),
    })
    .await;
    let host = Host::local(&[&server.url("/")]);
    let calls = ["/fits", "/above", "/endless"].map(|path| format!("GET {}", server.url(path)));
    let said = host.said(&calls.join("\n")).await;
    assert!(said[0].starts_with("200 - 1048576 yyy"), "{said:?}");
    assert!(said[1].contains("limit of 1048576 bytes"), "{said:?}");
    assert!(said[2].starts_with("Limit("), "{said:?}");
    assert!(said[3].contains("limit of 1048576 bytes"), "{said:?}");
    assert!(said[4].starts_with("Limit("), "{said:?}");
}

#[tokio::test]
async fn an_endless_head_is_refused() {
    let server = Server::start(|_| Reply::Endless("HTTP/1.1 200 OK\r\n", "a: b\r\n")).await;
    let host = Host::local(&[&server.url("/")]);
    let said = host.said(&format!("GET {}", server.url("/"))).await;
    assert!(
        said[1].contains("HttpResponseHeaderSectionSize"),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_request_whose_body_is_too_large_isnt_sent() {
    let server = Server::start(|_| ok()).await;
    let host = Host::local(&[&server.url("/")]);
    let url = server.url("/");
    let said = host.said(&format!("POST {url} +{}", (1 << 20) + 1)).await;
    assert!(said[0].contains("limit of 1048576 bytes"), "{said:?}");
    assert!(said[1].starts_with("Limit("), "{said:?}");
    assert_eq!(server.connections(), 0);
    assert_eq!(
        host.said(&format!("POST {url} +{}", 1 << 20)).await,
        ["200 - 2 ok"]
    );
}

#[tokio::test]
async fn more_requests_than_an_attempt_may_make_are_refused() {
    let server = Server::start(|_| ok()).await;
    let host = Host::local(&[&server.url("/")]);
    let call = format!("GET {}", server.url("/"));
    let said = host.said(&vec![call; 18].join("\n")).await;
    assert_eq!(said[..16], vec!["200 - 2 ok"; 16]);
    assert!(said[16].contains("limit of 16 HTTP requests"), "{said:?}");
    assert!(said[17].starts_with("Limit("), "{said:?}");
    assert_eq!(server.connections(), 16);
}

#[tokio::test]
async fn connections_that_are_hoarded_stay_few_and_close_with_the_attempt() {
    let server = Server::start(|_| Reply::Endless(ENDLESS, PIECE)).await;
    let mut host = Host::local(&[&server.url("/")]);
    host.limits.wall = Duration::from_secs(4);
    let report = host.run(&format!("hoard 12 {}", server.url(""))).await;
    assert!(
        report.log[0]
            .message
            .contains("limit of 4 HTTP requests at once"),
        "{:?}",
        report.log
    );
    assert_eq!(server.most_open(), 4);
    server.all_closed().await;
}

#[tokio::test]
async fn a_slow_answer_ends_in_its_own_time_and_the_handler_goes_on() {
    let server = Server::start(|seen| match seen.line() {
        "GET /head HTTP/1.1" => Reply::Silence,
        _ => Reply::Stalled(ENDLESS),
    })
    .await;
    let host = Host::local(&[&server.url("/")]);
    for (path, told, code) in [
        ("/head", "no answer within 1s", "HttpResponseTimeout"),
        ("/body", "nothing came within 1s", "ConnectionReadTimeout"),
    ] {
        let said = host.said(&format!("GET {} ~1000", server.url(path))).await;
        assert!(said[0].contains(told), "{said:?}");
        assert!(said[1].contains(code), "{said:?}");
        server.all_closed().await;
    }
}

#[tokio::test]
async fn the_wall_clock_ends_a_call_that_blocks_and_closes_its_connection() {
    let server = Server::start(|_| Reply::Endless(ENDLESS, "1\r\na\r\n")).await;
    let mut host = Host::local(&[&server.url("/")]);
    host.limits.wall = Duration::from_millis(300);
    host.limits.http.response_body = usize::MAX;
    host.limits.memory = 1 << 30;
    host.limits.cpu = Duration::from_secs(60);
    let report = host.run(&format!("GET {}", server.url("/"))).await;
    let wall = Verdict::Failed(Failure::Wall(host.limits.wall));
    assert_eq!(report.verdict, wall, "{:?}", report.log);
    server.all_closed().await;
}

#[tokio::test]
async fn an_attempt_that_is_ended_closes_its_connections() {
    let server = Server::start(|_| Reply::Endless(ENDLESS, PIECE)).await;
    for memory in [8 << 20, 1 << 30] {
        let mut host = Host::local(&[&server.url("/")]);
        host.limits.http.response_body = usize::MAX;
        host.limits.host_data = usize::MAX;
        host.limits.memory = memory;
        host.limits.cpu = Duration::from_millis(20);
        let report = host.run(&format!("GET {}", server.url("/"))).await;
        let Verdict::Failed(Failure::Cpu(_) | Failure::Memory(_)) = report.verdict else {
            panic!("{:?}", report.verdict);
        };
        server.all_closed().await;
    }
}

#[tokio::test]
async fn dropping_an_attempt_closes_its_connections() {
    let server = Server::start(|_| Reply::Silence).await;
    let host = Host::local(&[&server.url("/")]);
    let call = format!("GET {}", server.url("/"));
    tokio::select! {
        report = host.run(&call) => panic!("{report:?}"),
        _seen = server.next() => {}
    }
    server.all_closed().await;
}

#[tokio::test]
async fn headers_of_the_host_arent_the_handlers() {
    let server = Server::start(|_| ok()).await;
    let host = Host::local(&[&server.url("/")]);
    let url = server.url("/");
    for header in [
        "host:other.example",
        "Connection:x-drop",
        "transfer-encoding:chunked",
        "TE:trailers",
        "trailer:x",
        "upgrade:h2c",
        "expect:100-continue",
        "keep-alive:1",
        "proxy-authorization:x",
        "proxy-connection:x",
        "http2-settings:x",
        "x:a\rb",
    ] {
        let said = host.said(&format!("GET {url} {header}")).await;
        assert!(said[0].starts_with("Invalid("), "{header}: {said:?}");
    }
    // The length has to be that of the body.
    let said = host.said(&format!("POST {url} content-length:3 +5")).await;
    assert!(
        said.last().is_some_and(|line| line.starts_with("Limit(")),
        "{said:?}"
    );
    assert_eq!(server.connections(), 0);
    let said = host.said(&format!("POST {url} content-length:5 +5")).await;
    assert_eq!(said, ["200 - 2 ok"]);
    assert_eq!(server.next().await.header("content-length"), ["5"]);
}

#[tokio::test]
async fn texts_of_a_request_are_bounded() {
    let host = Host::local(&["http://a.example"]);
    for call in [
        format!("{} http://a.example/", "A".repeat(33)),
        format!("GET http://{}/", "a".repeat(513)),
        format!("GET http://a.example/{}", "a".repeat(8 << 10)),
        "CONNECT http://a.example/".into(),
        "get http://a.example/".into(),
        "GET http://me:secret@a.example/".into(),
    ] {
        let said = host.said(&call).await;
        let last = said.last().expect("a line");
        assert!(last.starts_with("Invalid("), "{call}: {said:?}");
    }
}

#[tokio::test]
async fn handles_are_few() {
    let host = Host::local(&[]);
    assert_eq!(host.said("fields 200").await, ["200 held"]);
    let report = host.run("fields 300").await;
    let Verdict::Failed(failure) = report.verdict else {
        panic!("{:?}", report.verdict);
    };
    let why = failure.to_string();
    assert_eq!(why, "handle limit of 256 exceeded: 257 held at once");
}

#[tokio::test]
async fn tls_is_for_the_name_and_by_an_authority_that_is_trusted() {
    let (server, authority) = Server::start_tls("a.example").await;
    let port = server.address.port();
    let places = [
        format!("https://a.example:{port}/"),
        format!("https://b.example:{port}/"),
    ];
    let said = |authorities: Vec<CertificateDer<'static>>, place: String| async move {
        let names = Names::new(&[&["127.0.0.1"]]);
        let client = client(names, &["127.0.0.1"], authorities, Bounds::default());
        let host = Host::with(client, &[&place]);
        host.said(&format!("GET {place}")).await
    };
    let [good, bad] = places;
    assert_eq!(
        said(vec![authority.clone()], good.clone()).await,
        ["200 - 2 ok"]
    );
    for (authorities, place) in [(vec![authority], bad), (Vec::new(), good)] {
        let lines = said(authorities, place).await;
        assert!(lines[1].contains("TlsCertificateError"), "{lines:?}");
    }
}

#[tokio::test]
async fn others_run_while_one_waits() {
    let server = Server::start(|seen| match seen.line() {
        "GET /slow HTTP/1.1" => Reply::Silence,
        _ => ok(),
    })
    .await;
    let host = Host::local(&[&server.url("/")]);
    let slow = format!("GET {}", server.url("/slow"));
    let fast = format!("GET {}", server.url("/fast"));
    tokio::select! {
        report = host.run(&slow) => panic!("{report:?}"),
        () = async {
            server.next().await;
            for _ in 0..20 {
                assert_eq!(host.said(&fast).await, ["200 - 2 ok"]);
            }
        } => {}
    }
}

#[test]
fn limits_start_as_they_are_documented() {
    let HttpLimits {
        requests,
        concurrent,
        request_body,
        response_body,
        fields,
    } = HttpLimits::default();
    assert_eq!((requests, concurrent), (16, 4));
    assert_eq!((request_body, response_body), (1 << 20, 1 << 20));
    assert_eq!(fields, 24 << 10);
}
