//! Requests that handlers make: to where they must not, and to servers that mean
//! harm.

use hookbox_testkit::log::{field, is_from_plugin, message};
use hookbox_testkit::recorder::{Recorder, Reply};
use hookbox_testkit::{Host, samples, wait_for};
use serde_json::Value;

use crate::scene::{fixture, host_with, watched};
use crate::servers::{Harm, Server};

/// Requests may go to this machine.
const LOCAL: &str = "[outbound]\nallow_private = [\"127.0.0.0/8\"]\n";

/// Installs the fixture that makes the requests that events for `name` tell it.
fn install_caller(host: &Host, name: &str, allow: &[String], more: &str) {
    let manifest = format!("events.agents = [\"{name}\"]\nhttp.allow = {allow:?}\n{more}");
    host.manifest(name, &manifest);
    host.install(name, &fixture("caller"));
}

/// Posts an event that only the plugin of that name gets.
fn tell(host: &Host, name: &str, what: &str) {
    let body = samples::chat(name, what).replace("A80HVD8577", name);
    assert_eq!(host.post(body.as_bytes()).status, 200);
}

/// Has a plugin make requests, one line each, and gives what it says of each and
/// what the host told it, in order.
fn ask(host: &Host, name: &str, lines: &[String]) -> Vec<(String, String)> {
    let of = |level: &'static str| {
        move |line: &Value| is_from_plugin(line, name) && line["level"] == level
    };
    let mut answers = Vec::new();
    for line in lines {
        let before = host.log.matching(of("WARN")).len();
        let said = host.log.matching(of("INFO")).len();
        tell(host, name, line);
        let said = host.log.wait_count(line, said + 1, of("INFO"));
        let told = host.log.matching(of("WARN")).split_off(before);
        let told: Vec<_> = told.iter().map(message).collect();
        answers.push((
            said.last().map(message).unwrap_or_default().to_owned(),
            told.join(" | "),
        ));
    }
    answers
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// The manifest allows it, and the address is closed.
    Closed,
    /// The manifest doesn't allow it.
    Denied,
    /// No manifest could.
    Unfit,
    /// The name means nothing.
    Unknown,
}

#[test]
fn no_way_to_write_an_address_leads_inside() {
    use Fate::{Closed, Denied, Unfit, Unknown};
    let inside = Recorder::start_friendly();
    let port = inside
        .url("")
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let own = |host: &str| format!("http://{host}:{port}");
    // Even a manifest that names them all changes nothing.
    let allow: Vec<String> = [
        "127.0.0.1",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[::ffff:7f00:1]",
        "[::7f00:1]",
        "[::ffff:0:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001::80ff:fffe]",
        "[fe80::1]",
        "[fec0::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.1.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "localhost",
        "allowed.example",
    ]
    .map(own)
    .into();
    let cases: Vec<(String, Fate)> = [
        ("127.0.0.1", Closed),
        ("127.1", Closed),
        ("0x7f.1", Closed),
        ("0x7f000001", Closed),
        ("2130706433", Closed),
        ("017700000001", Closed),
        ("0177.0.0.01", Closed),
        ("127.0.0.1.", Closed),
        ("%31%32%37.0.0.1", Unfit),
        ("\u{ff11}\u{ff12}\u{ff17}.\u{ff10}.\u{ff10}.\u{ff11}", Unfit),
        ("\u{2460}\u{2461}\u{2466}.0.0.1", Unfit),
        ("127\u{3002}0\u{3002}0\u{3002}1", Unfit),
        ("0", Closed),
        ("0.0.0.0", Closed),
        ("[::]", Closed),
        ("[::1]", Closed),
        ("[0:0:0:0:0:0:0:1]", Closed),
        ("[::ffff:127.0.0.1]", Closed),
        ("[::127.0.0.1]", Closed),
        ("[::ffff:0:127.0.0.1]", Closed),
        ("[64:ff9b::127.0.0.1]", Closed),
        ("[64:ff9b:1::127.0.0.1]", Closed),
        ("[2002:7f00:1::]", Closed),
        ("[2001::80ff:fffe]", Closed),
        ("[fe80::1]", Closed),
        ("[fec0::1]", Closed),
        ("[fc00::1]", Closed),
        ("[fd00:ec2::254]", Closed),
        ("[ff02::1]", Closed),
        ("169.254.169.254", Closed),
        ("0xa9fea9fe", Closed),
        ("100.64.0.1", Closed),
        ("100.100.100.200", Closed),
        ("169.254.1.1", Closed),
        ("10.0.0.1", Closed),
        ("172.16.0.1", Closed),
        ("192.168.0.1", Closed),
        ("192.0.0.192", Closed),
        ("198.18.0.1", Closed),
        ("224.0.0.1", Closed),
        ("240.0.0.1", Closed),
        ("255.255.255.255", Closed),
        ("168.63.129.16", Closed),
        ("localhost", Closed),
        ("LOCALHOST", Closed),
        ("metadata.google.internal", Denied),
        ("127.0.0.2", Denied),
        ("localhost.", Unfit),
        ("allowed.example.evil.example", Denied),
        ("allowed.example@127.0.0.1", Unfit),
        ("allowed.example:80@127.0.0.1", Unfit),
        ("allowed.example%00.evil.example", Unfit),
        ("127.0.0.1%2f.allowed.example", Unfit),
        ("[fe80::1%25eth0]", Unfit),
        ("[::1", Unfit),
        ("256.256.256.256", Unfit),
        ("allowed.example", Unknown),
    ]
    .into_iter()
    .map(|(place, fate)| (format!("GET {}/", own(place)), fate))
    .chain([
        (
            format!("GET http://allowed.example\\@127.0.0.1:{port}/"),
            Unfit,
        ),
        (
            format!("GET http://127.0.0.1:{port}#@allowed.example/"),
            Closed,
        ),
        (
            format!("GET http://127.0.0.1:{port}?@allowed.example/"),
            Closed,
        ),
        (format!("GET //127.0.0.1:{port}/"), Unfit),
        ("GET http://127.0.0.1:99999/".into(), Unfit),
        ("GET http://127.0.0.1:22/".into(), Denied),
        (format!("GET https://127.0.0.1:{port}/"), Denied),
        ("GET file:///etc/passwd".into(), Unfit),
        ("GET gopher://127.0.0.1/".into(), Unfit),
        (format!("CONNECT http://127.0.0.1:{port}/"), Unfit),
        (format!("TRACE http://127.0.0.1:{port}/"), Unfit),
    ])
    .collect();
    let mut host = host_with("");
    install_caller(&host, "caller", &allow, "");
    watched(&mut host, |host| {
        let lines: Vec<_> = cases.iter().map(|(line, _)| line.clone()).collect();
        let mut wrong = Vec::new();
        for ((line, fate), (said, told)) in cases.iter().zip(ask(host, "caller", &lines)) {
            let right = match fate {
                Closed => told.contains("allow_private"),
                Denied => told.contains("[http] allow = ["),
                Unfit => !told.contains("allow_private") && !told.contains("[http] allow"),
                Unknown => told.contains("can't be resolved") || told.contains("has no address"),
            };
            if !right || said.starts_with("200") {
                wrong.push(format!("{line}: {fate:?}: {said}: {told}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(inside.received(), []);
    });
}

#[test]
fn what_is_granted_leads_nowhere_else() {
    let inside = Recorder::start_friendly();
    let redirects = Server::start(Harm::Redirect);
    let mut host = host_with(LOCAL);
    let allow = [redirects.url(), format!("GET {}", inside.url("/open/"))];
    install_caller(&host, "caller", &allow, "");
    watched(&mut host, |host| {
        let lines = [
            format!("GET {}", redirects.url()),
            format!("GET {} host:evil.example", inside.url("/open/")),
            format!("GET {} connection:keep-alive", inside.url("/open/")),
            format!("GET {}", inside.url("/open/../secret")),
            format!("GET {}", inside.url("/open/%2e%2e/secret")),
            format!("GET {}", inside.url("/open/..%2fsecret")),
            format!("GET {}", inside.url("/open/..;/secret")),
            format!("GET {}", inside.url("/open\\..\\secret")),
            format!("POST {}", inside.url("/open/")),
            format!("GET {}", inside.url("/opening")),
            format!("GET {}", inside.url("/open/fine")),
        ];
        let answers = ask(host, "caller", &lines);
        // It's an answer like any other; nobody follows it.
        assert!(
            answers[0].0.starts_with("302 http://169.254.169.254/"),
            "{:?}",
            answers[0]
        );
        for (line, (said, _)) in lines.iter().zip(&answers).take(10).skip(1) {
            assert!(!said.starts_with("200"), "{line}: {said}");
        }
        assert!(answers[10].0.starts_with("200"), "{:?}", answers[10]);
        let received = inside.received();
        let paths: Vec<_> = received.iter().map(|got| got.path.as_str()).collect();
        assert_eq!(paths, ["/open/fine"]);
    });
}

#[test]
fn a_server_that_means_harm_harms_one_attempt() {
    let cases = [
        (Harm::EndlessBody, "limit of 1048576 bytes"),
        (Harm::EndlessHeaders, ""),
        (Harm::EndlessStatus, ""),
        (Harm::SlowHead, "within"),
        (Harm::SlowBody, ""),
        (Harm::Silence, "within"),
        (Harm::ShortBody, ""),
        (Harm::HugeLength, ""),
        (Harm::TwoLengths, ""),
        (Harm::BadChunk, ""),
        (Harm::Continues, ""),
        (Harm::Garbage, ""),
        (Harm::Reset, ""),
    ];
    let servers: Vec<Server> = cases.iter().map(|(harm, _)| Server::start(*harm)).collect();
    let zipped = Server::start(Harm::Zipped);
    let allow: Vec<_> = servers.iter().chain([&zipped]).map(Server::url).collect();
    let mut host = host_with(LOCAL);
    install_caller(
        &host,
        "caller",
        &allow,
        "limits.wall = \"1s\"\nretry.attempts = 1\nbreaker.failures = 0\n",
    );
    watched(&mut host, |host| {
        let mut wrong = Vec::new();
        for ((harm, why), server) in cases.iter().zip(&servers) {
            let about = |line: &Value| {
                let of_caller = field(line, "plugin") == "caller";
                let failed = message(line).starts_with("delivery is dead");
                of_caller && (is_from_plugin(line, "caller") || failed)
            };
            let before = host.log.matching(about).len();
            tell(host, "caller", &format!("GET {}", server.url()));
            let lines = wait_for(&format!("an end of {harm:?}"), || {
                let lines = host.log.matching(about).split_off(before);
                let over = |line: &Value| {
                    line["level"] == "INFO" || message(line).starts_with("delivery is dead")
                };
                lines.iter().any(over).then_some(lines)
            });
            let said: Vec<_> = lines.iter().map(message).collect();
            let said = said.join(" | ");
            if said.starts_with("200") || !said.contains(why) {
                wrong.push(format!("{harm:?}: {said}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        // Nothing is unpacked: the bomb arrives as it was sent.
        let answers = ask(host, "caller", &[format!("GET {}", zipped.url())]);
        assert!(answers[0].0.starts_with("200 - "), "{answers:?}");
        let length: usize = answers[0]
            .0
            .split(' ')
            .nth(2)
            .expect("a length")
            .parse()
            .expect("a number");
        assert!(length < 10_000, "{length}");
        for server in &servers {
            server.wait_idle();
        }
    });
}

#[test]
fn those_who_hoard_connections_leave_some_to_others() {
    const HOARDERS: usize = 12;
    let held = Server::start(Harm::Held);
    let inside = Recorder::start_friendly();
    let mut host = host_with(&format!("{LOCAL}[ingest]\nshutdown_grace = \"100ms\"\n"));
    // More than an attempt may have: it holds those that it has and waits for more.
    let more = "ordering = \"none\"\n[limits]\nmemory = \"8MiB\"\n";
    let names: Vec<_> = (0..HOARDERS)
        .map(|number| format!("hoarder-{number}"))
        .collect();
    for name in &names {
        install_caller(&host, name, &[held.url()], more);
    }
    install_caller(&host, "honest", &[inside.url("/")], "");
    watched(&mut host, |host| {
        let place = held.url();
        let what = format!("hoard 8 {}", place.trim_end_matches('/'));
        for _ in 0..8 {
            names.iter().for_each(|name| tell(host, name, &what));
        }
        held.wait_open(120);
        let answers = ask(host, "honest", &[format!("GET {}", inside.url("/"))]);
        assert!(answers[0].0.starts_with("200"), "{answers:?}");
        assert!(held.open() >= 120, "they still hoard: {}", held.open());
        assert!(held.open() < 256, "all: {}", held.open());
    });
}

#[test]
fn a_server_that_never_answers_the_outbox_holds_up_one_plugin() {
    let held = Server::start(Harm::Silence);
    let endless = Server::start(Harm::EndlessBody);
    let inside = Recorder::start(|_, _| Reply::Status(204));
    let mut host = host_with(&format!("{LOCAL}timeout = \"2s\"\n"));
    let tally = fixture("tally");
    for (name, url) in [
        ("stuck", held.url()),
        ("flooded", endless.url()),
        ("honest", inside.url("/")),
    ] {
        let manifest = format!(
            "events.agents = [\"{name}\"]\nhttp.allow = [\"{url}\"]\nconfig.url = \"{url}\"\n\
             retry.base = \"1ms\"\nretry.max = \"5ms\"\n"
        );
        host.manifest(name, &manifest);
        host.install(name, &tally);
    }
    watched(&mut host, |host| {
        // Those above 36 would panic the first time.
        for number in 0..30 {
            tell(host, "stuck", &number.to_string());
            tell(host, "flooded", &number.to_string());
        }
        held.wait_open(1);
        for number in 0..20 {
            tell(host, "honest", &number.to_string());
        }
        wait_for("the honest one's requests", || {
            (inside.received().len() >= 20).then_some(())
        });
        let path = "/api/outbox?plugin=stuck&state=sent&limit=10";
        assert_eq!(host.api(path)["requests"].as_array().map(Vec::len), Some(0));
    });
}
