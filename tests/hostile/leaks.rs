//! What one attempt, plugin or endpoint has isn't another's to see.

use std::fs;

use hookbox_testkit::http::Client;
use hookbox_testkit::log::{field, is_from_plugin, message};
use hookbox_testkit::recorder::Recorder;
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, HostOptions, samples, wait_for};
use serde_json::{Value, json};

use crate::drops::harmless;
use crate::scene::{fixture, host_with, rejection, watched};

/// Says `dirty` when it finds what it has left in a global, in memory, in a grown
/// page or in a table; then leaves something in all of them.
fn leaves_something() -> Vec<u8> {
    let items = r#"
        (global $left (mut i32) (i32.const 0))
        (table $t 4 funcref)
        (elem declare func $some)
        (func $some)
        (data (i32.const 1024) "cleandirty")"#;
    let body = r#"
        (local $pages i32) (local $dirty i32)
        (local.set $pages (memory.grow (i32.const 2)))
        (local.set $dirty
          (i32.or
            (i32.or (global.get $left) (i32.load (i32.const 60000)))
            (i32.or
              (i32.load (i32.mul (local.get $pages) (i32.const 65536)))
              (i32.eqz (ref.is_null (table.get $t (i32.const 3)))))))
        (global.set $left (i32.const 1))
        (i32.store (i32.const 60000) (i32.const 1))
        (i32.store (i32.mul (local.get $pages) (i32.const 65536)) (i32.const 1))
        (table.set $t (i32.const 3) (ref.func $some))
        (if (i32.or (local.get $dirty) (i32.ne (local.get $pages) (i32.const 2)))
          (then (call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 1029) (i32.const 5)))
          (else (call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 5))))
        (i32.const 16)"#;
    wat::plugin(World::ChatPush, items, body)
}

#[test]
fn nothing_is_left_from_one_attempt_to_the_next() {
    const EVENTS: usize = 40;
    let mut host = host_with("");
    host.install("leaver", &leaves_something());
    watched(&mut host, |host| {
        for number in 0..EVENTS {
            host.post_chat(&format!("s-{}", number % 5), &number.to_string());
        }
        let said =
            |text| move |line: &Value| is_from_plugin(line, "leaver") && message(line) == text;
        host.log.wait_count("clean", EVENTS, said("clean"));
        assert!(host.log.matching(said("dirty")).is_empty());
    });
}

/// `tally` counts in a counter, in a bucket of one name, and knows its own URL.
#[test]
fn plugins_of_one_code_share_neither_state_nor_configuration() {
    const EVENTS: usize = 20;
    let recorder = Recorder::start_friendly();
    let mut host = host_with("[outbound]\nallow_private = [\"127.0.0.0/8\"]\n");
    let tally = fixture("tally");
    for name in ["one", "two"] {
        let manifest = format!(
            "events.agents = [\"{name}\"]\nhttp.allow = [\"{}\"]\nconfig.url = \"{}\"\n\
             retry.base = \"1ms\"\nretry.max = \"5ms\"\n",
            recorder.url("/"),
            recorder.url(&format!("/{name}"))
        );
        host.manifest(name, &manifest);
        host.install(name, &tally);
    }
    host.manifest("none", "events.agents = [\"one\"]\n");
    host.install("none", &tally);
    watched(&mut host, |host| {
        for number in 0..EVENTS {
            post_as(host, "one", number);
        }
        post_as(host, "two", 0);
        let counted =
            |name: &str| host.api(&format!("/api/counters?plugin={name}"))["counters"].clone();
        let one = json!([{"name": "handled", "value": EVENTS}]);
        let two = json!([{"name": "handled", "value": 1}]);
        wait_for("both to have counted", || {
            (counted("one") == one && counted("two") == two).then_some(())
        });
        // Without a URL of its own it has none.
        let reason = rejection(host, "none");
        assert!(reason.contains("there is no url in [config]"), "{reason}");
        assert_eq!(counted("none"), json!([]));
        wait_for("all to be sent", || {
            (recorder.received().len() == EVENTS + 1).then_some(())
        });
        let of_two = recorder
            .received()
            .iter()
            .filter(|got| got.path == "/two")
            .count();
        assert_eq!(of_two, 1);
    });
}

/// Posts an event of an agent of that name.
fn post_as(host: &Host, agent: &str, number: usize) {
    let body = samples::chat("s", &number.to_string()).replace("A80HVD8577", agent);
    assert_eq!(host.post(body.as_bytes()).status, 200);
}

#[test]
fn the_same_name_at_two_endpoints_is_two_plugins() {
    let config = "[[endpoint]]\nname = \"shop\"\nplugins = \"shop\"\n\
        [[endpoint.auth]]\ntype = \"header\"\nname = \"X-Key\"\nsecret = \"env:KEY\"\n\
        [outbound]\nallow_private = [\"127.0.0.0/8\"]\n";
    let recorder = Recorder::start_friendly();
    let mut host = Host::start(
        env!("CARGO_BIN_EXE_hookbox"),
        HostOptions {
            config: config.into(),
            env: vec![("KEY".into(), "s-key".into())],
            ..HostOptions::default()
        },
    );
    host.install("good", &harmless("fine"));
    let shop = host.plugins().parent().expect("a folder").join("shop");
    let tally = fixture("tally");
    let manifest = |more: &str| {
        format!(
            "http.allow = [\"{}\"]\nconfig.url = \"{}\"\n{more}",
            recorder.url("/"),
            recorder.url("/")
        )
    };
    fs::write(shop.join("tally.toml"), manifest("")).expect("written");
    fs::write(shop.join("tally.wasm"), &tally).expect("written");
    host.manifest("tally", &manifest("events.agents = [\"nobody\"]\n"));
    fs::write(host.plugins().join("tally.wasm"), &tally).expect("written");
    host.log.wait_count("both to be loaded", 2, |line| {
        field(line, "plugin") == "tally" && message(line) == "plugin loaded"
    });
    watched(&mut host, |host| {
        for number in 1..4 {
            let headers = [("content-type", "application/json"), ("x-key", "s-key")];
            let body = samples::chat("s", &number.to_string());
            let url = format!("{}/webhook/shop", host.url);
            let answer = Client::default().post(&url, &headers, body.as_bytes());
            assert_eq!(answer.expect("an answer").status, 200);
        }
        let counted = |endpoint: &str| {
            let path = format!("/api/counters?plugin=tally&endpoint={endpoint}");
            host.api(&path)["counters"].clone()
        };
        wait_for("the shop's to have counted", || {
            (counted("shop") == json!([{"name": "handled", "value": 3}])).then_some(())
        });
        assert_eq!(counted("default"), json!([]));
    });
}

/// The breaker would have it paused: without it, each event costs attempts.
#[test]
fn a_villain_that_always_traps_slows_nobody_down() {
    const EVENTS: usize = 300;
    let mut host = host_with("");
    host.manifest(
        "trap",
        "[breaker]\nfailures = 0\n[retry]\nattempts = 5\ntraps = 5\nbase = \"1ms\"\nmax = \"2ms\"\n",
    );
    host.install("trap", &wat::traps(World::ChatPush));
    watched(&mut host, |host| {
        for number in 0..EVENTS {
            host.post_chat(&format!("burst-{}", number % 30), &number.to_string());
        }
        let fine = |line: &Value| is_from_plugin(line, "good") && message(line) == "fine";
        host.log.wait_count("the good plugin's lines", EVENTS, fine);
        wait_for("the villain to have had its attempts", || {
            let path = "/api/deliveries?plugin=trap&state=dead&limit=1000";
            let dead = host.api(path)["deliveries"].as_array()?.len();
            (dead >= EVENTS).then_some(())
        });
        assert!(host.metric("hookbox_failed_attempts_total") >= EVENTS as u64 * 5);
    });
}
