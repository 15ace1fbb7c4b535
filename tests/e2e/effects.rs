//! What handlers have the host keep and send: counters, key-value, the outbox.

use std::collections::{HashMap, HashSet};

use hookbox_testkit::recorder::{Recorder, Reply};
use hookbox_testkit::{Host, wait_for};
use serde_json::{Value, json};

use crate::support::{deliveries, fixture, host, host_with};

/// Requests may go to this machine, and are repeated soon.
const LOCAL: &str = "[outbound]\nallow_private = [\"127.0.0.0/8\"]\nretry_max = \"50ms\"\n";

/// Installs `tally`, which counts each message and sends it to `url`.
fn install(host: &Host, url: &str, more: &str) {
    let manifest = format!("[config]\nurl = \"{url}\"\n{more}");
    host.manifest("tally", &manifest);
    host.install("tally", &fixture("tally"));
}

fn allow(url: &str) -> String {
    format!("[http]\nallow = [\"POST {url}\"]\n[retry]\nbase = \"5ms\"\nmax = \"50ms\"\n")
}

/// The requests of `tally` as the admin API lists them.
fn requests(host: &Host, state: &str) -> Vec<Value> {
    let page = host.api(&format!(
        "/api/outbox?plugin=tally&state={state}&limit=1000"
    ));
    page["requests"].as_array().expect("a list").clone()
}

#[test]
fn each_event_counts_once_and_is_sent_under_one_key_until_it_is_answered() {
    const EVENTS: usize = 200;
    let host = host_with(LOCAL);
    let recorder = Recorder::start(|number, _| match number % 5 {
        1 => Reply::Status(503),
        3 => Reply::Nothing,
        _ => Reply::Status(204),
    });
    let url = recorder.url("/hook?token=s3cret");
    install(&host, &url, &allow(&recorder.url("/")));
    for number in 0..EVENTS {
        host.post_chat(&format!("s-{}", number % 20), &number.to_string());
    }
    let sent = wait_for("all to be sent", || {
        Some(requests(&host, "sent")).filter(|sent| sent.len() == EVENTS)
    });
    assert!(
        sent.iter().any(|record| record["attempts"] != 1),
        "no repetition"
    );
    assert!(sent.iter().all(|record| record["status"] == 204));
    let shown = json!(sent).to_string();
    assert!(!shown.contains("s3cret"), "a path may be a secret");

    // Handlers failed as well, after they had counted and queued.
    assert!(host.metric("hookbox_failed_attempts_total") > 0);
    let counters = host.api("/api/counters?plugin=tally");
    let expected = json!([{"name": "handled", "value": EVENTS}]);
    assert_eq!(counters["counters"], expected);
    let mut keys: HashMap<String, HashSet<String>> = HashMap::new();
    for request in recorder.received() {
        let number = String::from_utf8(request.body.clone()).expect("text");
        let key = request.header("idempotency-key").expect("a key");
        assert_eq!(
            (&*request.method, &*request.path),
            ("POST", "/hook?token=s3cret")
        );
        keys.entry(number).or_default().insert(key.to_owned());
    }
    assert_eq!(keys.len(), EVENTS);
    assert!(keys.values().all(|keys| keys.len() == 1), "{keys:?}");
    let distinct: HashSet<&String> = keys.values().flatten().collect();
    assert_eq!(distinct.len(), EVENTS);
}

#[test]
fn without_a_grant_nothing_is_sent_and_the_line_that_would_allow_it_is_named() {
    let host = host_with(LOCAL);
    let recorder = Recorder::start_friendly();
    let url = recorder.url("/");
    install(&host, &url, "");
    host.post_chat("s", "1");
    let dead = wait_for("the refusal", || deliveries(&host, "tally", "dead").pop());
    let reason = dead["reason"].as_str().expect("a reason");
    assert!(reason.contains("allow = ["), "{reason}");
    assert!(reason.contains("POST http://127.0.0.1"), "{reason}");
    // What it did before that isn't kept either.
    assert_eq!(
        host.api("/api/counters?plugin=tally")["counters"],
        json!([])
    );
    assert_eq!(recorder.received(), []);
}

#[test]
fn this_machine_is_out_of_reach_unless_the_operator_says_so() {
    let host = host();
    let recorder = Recorder::start_friendly();
    let url = recorder.url("/");
    install(&host, &url, &allow(&url));
    host.post_chat("s", "1");
    let dead = wait_for("the refusal", || requests(&host, "dead").pop());
    let reason = dead["reason"].as_str().expect("a reason");
    assert!(reason.contains("127.0.0.1"), "{reason}");
    assert!(reason.contains("allow_private"), "{reason}");
    assert_eq!(recorder.received(), []);
}
