//! Order per session, through failures and retries.

use std::collections::HashMap;
use std::thread;

use hookbox_testkit::http::Client;
use hookbox_testkit::log::{is_from_plugin, message};
use hookbox_testkit::{Host, samples, wait_for};

use crate::support::{deliveries, fixture, host_with, said};

/// Posts `each` numbers, in order, in each of the sessions; `clients` sessions
/// at a time.
fn post_sessions(host: &Host, sessions: usize, each: usize, clients: usize) {
    let url = format!("{}/webhook", host.url);
    thread::scope(|scope| {
        for first in 0..clients {
            let url = &url;
            scope.spawn(move || {
                let client = Client::default();
                // Round about: a session's events come in between others'.
                for number in 0..each {
                    for session in (first..sessions).step_by(clients) {
                        let number = (session * each + number).to_string();
                        let body = samples::chat(&format!("s{session}"), &number);
                        let answer = client.post(url, &[], body.as_bytes()).expect("an answer");
                        assert_eq!(answer.status, 200, "{}", answer.body);
                    }
                }
            });
        }
    });
}

/// The numbers that `unsteady` did, by session, in the order in which it did.
fn successes(host: &Host, count: usize) -> HashMap<String, Vec<usize>> {
    let is_its = |line: &serde_json::Value| is_from_plugin(line, "unsteady");
    let mut by_session: HashMap<String, Vec<usize>> = HashMap::new();
    for line in host.log.wait_count("a success", count, is_its) {
        let (session, number) = message(&line).split_once(' ').expect("two words");
        let numbers = by_session.entry(session.into()).or_default();
        numbers.push(number.parse().expect("a number"));
    }
    by_session
}

#[test]
fn through_random_failures_each_sessions_successes_are_in_order() {
    const SESSIONS: usize = 100;
    const EACH: usize = 100;
    let host = host_with("");
    host.install("unsteady", &fixture("unsteady"));
    post_sessions(&host, SESSIONS, EACH, 8);
    let successes = successes(&host, SESSIONS * EACH);
    assert_eq!(successes.len(), SESSIONS);
    for (session, numbers) in successes {
        assert_eq!(numbers.len(), EACH, "{session}");
        assert!(numbers.is_sorted(), "{session}: {numbers:?}");
    }
    wait_for("the last outcome", || {
        (host.api("/api/counts")["pending"] == 0).then_some(())
    });
    let metrics = host.metric("hookbox_failed_attempts_total");
    assert!(metrics > 1000, "only {metrics} failures");
}

#[test]
fn without_order_a_failing_event_holds_nothing_back() {
    let host = host_with("");
    host.manifest("combos", "ordering = \"none\"\n");
    host.install("combos", &fixture("combos"));
    host.post_chat("s", "retry");
    host.log
        .wait("the first attempt", said("combos", "chat-push s retry"));
    host.post_chat("s", "fine");
    host.log
        .wait("the event after it", said("combos", "chat-push s fine"));
    wait_for("its outcome", || deliveries(&host, "combos", "done").pop());
    assert_eq!(deliveries(&host, "combos", "pending").len(), 1);
}

#[test]
fn a_dead_delivery_lets_its_session_go_on() {
    let host = host_with("");
    host.manifest(
        "combos",
        "[retry]\nattempts = 4\nbase = \"10ms\"\nmax = \"20ms\"\n",
    );
    host.install("combos", &fixture("combos"));
    for text in ["retry", "fine"] {
        host.post_chat("s", text);
    }
    host.log
        .wait("the event after it", said("combos", "chat-push s fine"));
    let lines = host.log.matching(|line| is_from_plugin(line, "combos"));
    let lines: Vec<&str> = lines.iter().map(message).collect();
    let mut expected = vec!["chat-push s retry"; 4];
    expected.push("chat-push s fine");
    assert_eq!(lines, expected);
    let dead = deliveries(&host, "combos", "dead")
        .pop()
        .expect("it is dead");
    assert_eq!(dead["attempts"], 4, "{dead}");
}
