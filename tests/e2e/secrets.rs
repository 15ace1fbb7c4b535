//! Secrets: who gets them, and that nobody else sees them.

use std::fs;
use std::process::Command;

use hookbox_testkit::http::Client;
use hookbox_testkit::log::message;
use hookbox_testkit::recorder::Recorder;
use hookbox_testkit::{Host, HostOptions, samples, wait_for};

use crate::support::{deliveries, fixture, said};

/// Fit for a host's name, a header and a URL.
const SECRET: &str = "Tok3n-0123456789abcdef";
const SHOPS: &str = "Sh0ps-own-9876543210";

const CONFIG: &str = r#"
[outbound]
allow_private = ["127.0.0.0/8"]
retry_max = "10ms"
attempts = 2
[secrets]
TOKEN = { from = "env:TOKEN_VALUE", plugins = ["blabber", "silent"] }
[[endpoint]]
name = "shop"
plugins = "shop"
[endpoint.secrets]
SHOPS = "env:SHOPS_VALUE"
"#;

const NAMES_IT: &str = "[secrets]\ntoken = \"TOKEN\"\n";

fn host() -> Host {
    let env = [("TOKEN_VALUE", SECRET), ("SHOPS_VALUE", SHOPS)];
    Host::start(
        env!("CARGO_BIN_EXE_hookbox"),
        HostOptions {
            config: CONFIG.into(),
            env: env.map(|(name, value)| (name.into(), value.into())).into(),
            log: "trace".into(),
            ..HostOptions::default()
        },
    )
}

fn problem(host: &Host, plugin: &str) -> String {
    wait_for("the plugin to be refused", || {
        let plugin = host.plugin(plugin)?;
        plugin["problem"].as_str().map(str::to_owned)
    })
}

#[test]
fn a_secret_is_for_the_plugin_that_names_it_and_is_allowed_to() {
    let host = host();
    let wasm = fixture("blabber");
    host.manifest("blabber", NAMES_IT);
    host.install("blabber", &wasm);
    host.install("silent", &wasm);
    host.manifest("greedy", NAMES_IT);
    host.drop_in("greedy", &wasm);
    let refused = problem(&host, "greedy");
    assert!(
        refused.contains(r#"TOKEN = { from = "env:TOKEN", plugins = ["greedy"] }"#),
        "{refused}"
    );
    // At another endpoint there is none of that name, and its own isn't known here.
    let shop = host.plugins().with_file_name("shop");
    fs::write(shop.join("blabber.toml"), NAMES_IT).expect("written");
    fs::write(shop.join("blabber.wasm"), &wasm).expect("written");
    fs::write(shop.join("own.toml"), "[secrets]\ntoken = \"SHOPS\"\n").expect("written");
    fs::write(shop.join("own.wasm"), &wasm).expect("written");
    let own = format!("a token of {} bytes", SHOPS.len());
    wait_for("the shop's to be decided", || {
        let plugins = host.api("/api/plugins")["plugins"].as_array().cloned()?;
        let mut shops = plugins.iter().filter(|plugin| plugin["endpoint"] == "shop");
        let blabber = shops.clone().find(|plugin| plugin["plugin"] == "blabber")?;
        let own = shops.find(|plugin| plugin["plugin"] == "own")?;
        let why = blabber["problem"].as_str()?;
        assert!(
            why.contains("[endpoint.secrets] of the endpoint `shop`"),
            "{why}"
        );
        own["version"].as_str().map(|_| ())
    });

    host.post_chat("s", "is it there?");
    let here = format!("a token of {} bytes", SECRET.len());
    host.log.wait("the one", said("blabber", &here));
    host.log.wait("the other", said("silent", "no token"));
    let body = samples::chat("s", "is it there?");
    let headers = [("content-type", "application/json")];
    let url = format!("{}/webhook/shop", host.url);
    let answer = Client::default().post(&url, &headers, body.as_bytes());
    assert_eq!(answer.expect("an answer").status, 200);
    host.log.wait("the shop's own", said("own", &own));

    // What the manifest says counts from its next load.
    host.manifest("silent", NAMES_IT);
    wait_for("the manifest to be read", || {
        host.post_chat("s", "is it there?");
        let lines = host.log.matching(said("silent", &here));
        (!lines.is_empty()).then_some(())
    });
}

#[test]
fn what_a_manifest_takes_away_is_gone_though_the_file_beside_it_does_not_load() {
    let host = host();
    host.manifest("blabber", NAMES_IT);
    host.install("blabber", &fixture("blabber"));
    host.drop_in("blabber", b"no component");
    problem(&host, "blabber");
    let said_it = |text: String| {
        wait_for("its word", || {
            host.post_chat("s", "is it there?");
            let lines = host.log.matching(said("blabber", &text));
            (!lines.is_empty()).then_some(())
        });
    };
    said_it(format!("a token of {} bytes", SECRET.len()));
    host.manifest("blabber", "");
    said_it("no token".into());
}

#[test]
fn a_careless_plugin_shows_its_secret_nowhere() {
    let host = host();
    let recorder = Recorder::start_friendly();
    let url = recorder.url("/hooks/");
    host.manifest(
        "blabber",
        &format!(
            "{NAMES_IT}[config]\nurl = \"{url}\"\n[http]\nallow = [\"POST {url}\"]\n\
             [retry]\nattempts = 2\nbase = \"1ms\"\nmax = \"1ms\"\n"
        ),
    );
    host.install("blabber", &fixture("blabber"));
    let ways = [
        "log", "count", "keep", "send", "call", "reject", "retry", "panic",
    ];
    for way in ways {
        host.post_chat(way, way);
    }
    wait_for("all to end", || {
        let ended = deliveries(&host, "blabber", "dead").len();
        let ended = ended + deliveries(&host, "blabber", "done").len();
        (ended == ways.len()).then_some(())
    });
    assert_eq!(deliveries(&host, "blabber", "dead").len(), 3);
    // What its work needs arrived as it is.
    let sent = wait_for("the request", || recorder.received().into_iter().next());
    assert_eq!(sent.path, format!("/hooks/{SECRET}?token={SECRET}"));
    assert_eq!(sent.header("authorization"), Some(SECRET));
    assert_eq!(sent.body, SECRET.as_bytes());
    wait_for("the request's outcome", || {
        let sent = host.api("/api/outbox?state=sent");
        sent["requests"].get(0).map(|_| ())
    });

    // Who lists the configuration doesn't have it.
    let listed = host.log.wait("its configuration", |line| {
        message(line).starts_with("the configuration: ")
    });
    assert!(message(&listed).contains("url"), "{listed}");
    assert!(!message(&listed).contains("token"), "{listed}");

    let mut shown = Vec::new();
    let mut paths: Vec<String> = ["plugins", "events", "deliveries", "outbox", "counts"]
        .map(|path| format!("/api/{path}"))
        .into();
    paths.push("/api/counters?plugin=blabber".into());
    for delivery in host.api("/api/deliveries")["deliveries"]
        .as_array()
        .expect("a list")
    {
        paths.push(format!("/api/deliveries/{}", delivery["id"]));
        paths.push(format!(
            "/api/events/{}",
            delivery["event"].as_str().expect("an id")
        ));
    }
    for path in paths {
        shown.push((host.api(&path).to_string(), path));
    }
    for command in [
        "plugins",
        "deliveries",
        "outbox",
        "events",
        "counters --plugin blabber",
    ] {
        let said = Command::new(env!("CARGO_BIN_EXE_hookbox"))
            .args(command.split(' '))
            .args(["--admin", host.admin.trim_start_matches("http://")])
            .output()
            .expect("it runs");
        assert!(said.status.success(), "{command}");
        shown.push((
            String::from_utf8_lossy(&said.stdout).into_owned(),
            command.into(),
        ));
    }
    let page = Client::default().get(&format!("{}/metrics", host.admin));
    shown.push((page.expect("a page").body, "/metrics".into()));
    for line in host.log.matching(|_| true) {
        shown.push((line.to_string(), "the host's log".into()));
    }
    let all: String = shown.iter().map(|(text, _)| text.as_str()).collect();
    for mark in ["token=[secret]", "used [secret]", "[secret] isn't taken"] {
        assert!(all.contains(mark), "{mark} is nowhere");
    }
    let base64 = "VG9rM24tMDEyMzQ1Njc4OWFiY2RlZ";
    let tail = &SECRET[SECRET.len() / 2..];
    for (text, place) in shown {
        for secret in [SECRET, base64, tail] {
            assert!(
                !text.to_lowercase().contains(&secret.to_lowercase()),
                "{place}: {text}"
            );
        }
    }
}

#[test]
fn a_secret_that_isnt_there_stops_the_start() {
    let mut host = Host::launch(
        env!("CARGO_BIN_EXE_hookbox"),
        HostOptions {
            config: "[secrets]\nTOKEN = \"env:NO_SUCH_VARIABLE\"\n".into(),
            ..HostOptions::default()
        },
    );
    assert!(!host.wait_end().success());
}
