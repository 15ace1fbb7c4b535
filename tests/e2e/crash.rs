//! `kill -9` in the middle of the load: everything that was answered 200 is
//! handled after the restart.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hookbox_testkit::http::Client;
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{samples, wait_for};

use crate::support::{children, deliveries, host, slow_to_compile};

#[test]
fn after_a_kill_every_event_that_was_answered_is_handled_by_each_plugin() {
    let mut host = host();
    host.install("early", &wat::logs(World::ChatPush, "early"));
    // Seen, so events are routed to it, but not loaded before the restart.
    let late = wat::logs(World::ChatPush, "late");
    host.drop_in("late", b"not there yet");
    wait_for("the late plugin to be known", || host.plugin("late"));

    let accepted = Mutex::new(HashSet::new());
    let stop = AtomicBool::new(false);
    let url = format!("{}/webhook", host.url);
    thread::scope(|scope| {
        for sender in 0..16 {
            let (accepted, stop, url) = (&accepted, &stop, &url);
            scope.spawn(move || {
                let client = Client::default();
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let session = format!("s-{sender}-{number}");
                    let body = samples::chat(&session, "count me");
                    // Once the host is gone there is no answer, and no promise.
                    let Ok(answer) = client.post(url, &[], body.as_bytes()) else {
                        return;
                    };
                    if answer.status == 200 {
                        accepted.lock().unwrap().insert(session);
                    }
                }
            });
        }
        wait_for("some load", || {
            (accepted.lock().unwrap().len() > 500).then_some(())
        });
        host.kill();
        stop.store(true, Ordering::Relaxed);
    });

    host.restart();
    host.install("late", &late);
    let accepted = accepted.into_inner().unwrap();
    for plugin in ["early", "late"] {
        wait_for("everything to be handled", || {
            deliveries(&host, plugin, "pending")
                .is_empty()
                .then_some(())
        });
        let handled: HashSet<String> = deliveries(&host, plugin, "done")
            .iter()
            .filter_map(|delivery| delivery["session_id"].as_str().map(str::to_owned))
            .collect();
        let missing: Vec<_> = accepted.difference(&handled).collect();
        assert!(missing.is_empty(), "{plugin} lost {} events", missing.len());
    }
}

#[test]
fn events_that_came_while_a_plugin_was_compiled_are_handled_after_a_kill() {
    let mut host = host();
    host.install("quick", &wat::logs(World::ChatPush, "quick"));
    host.drop_in("slow", &slow_to_compile());
    wait_for("the compile child", || {
        (!children(host.pid()).is_empty()).then_some(())
    });
    for number in 0..10 {
        host.post_chat(&format!("s-{number}"), "count me");
    }
    let slow = host.plugin("slow").expect("it is listed");
    assert_eq!(slow["loading"], true, "it compiles too fast for this test");
    host.kill();

    host.restart();
    // What is compiled already doesn't wait for what isn't.
    wait_for("the quick plugin to run", || host.version("quick"));
    assert_eq!(host.version("slow"), None);
    wait_for("everything to be handled", || {
        (deliveries(&host, "slow", "done").len() == 10).then_some(())
    });
}
