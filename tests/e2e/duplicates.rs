//! The same event again: answered 200 and not handled again.

use std::sync::Mutex;
use std::thread;

use hookbox_testkit::http::{Answer, Client};
use hookbox_testkit::samples;
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, wait_for};

use crate::support::{deliveries, host};

/// The header that names the first one.
const HEADER: &str = "hookbox-duplicate-of";

/// Posts `body` from `clients` at once, `times` in all.
fn flood(host: &Host, clients: usize, times: usize, body: &str) -> Vec<Answer> {
    let url = format!("{}/webhook", host.url);
    let answers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let client = Client::default();
                for _ in 0..times / clients {
                    let answer = client.post(&url, &[], body.as_bytes()).expect("an answer");
                    answers.lock().unwrap().push(answer);
                }
            });
        }
    });
    answers.into_inner().unwrap()
}

#[test]
fn the_same_event_a_thousand_times_at_once_is_handled_once_across_a_restart_too() {
    let mut host = host();
    host.install("echo", &wat::logs(World::ChatPush, "heard"));
    let body = samples::chat("s", "once");
    let answers = flood(&host, 50, 1000, &body);
    assert_eq!(answers.len(), 1000);
    assert!(answers.iter().all(|answer| answer.status == 200));
    let done = wait_for("the one handling", || {
        deliveries(&host, "echo", "done").pop()
    });
    let first = done["event"].as_str().expect("an id");
    let named = answers.iter().filter_map(|answer| answer.header(HEADER));
    let (right, wrong): (Vec<&str>, Vec<&str>) = named.partition(|id| *id == first);
    assert_eq!((right.len(), wrong), (999, Vec::new()), "of {first}");

    host.kill();
    host.restart();
    for answer in flood(&host, 4, 100, &body) {
        assert_eq!((answer.status, answer.header(HEADER)), (200, Some(first)));
    }
    let counts = host.api("/api/counts");
    assert_eq!((&counts["events"], &counts["done"]), (&1.into(), &1.into()));
    let said = host
        .log
        .matching(|line| hookbox_testkit::log::is_from_plugin(line, "echo"));
    assert!(said.is_empty(), "handled again: {said:?}");
}
