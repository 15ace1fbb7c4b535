//! Plugins come, change and go while requests come in.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use hookbox_testkit::http::Client;
use hookbox_testkit::log::{field, is_from_plugin, message};
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{samples, wait_for};

use crate::support::{deliveries, host, said};

#[test]
fn a_dropped_in_plugin_handles_the_next_event_and_a_deleted_one_none() {
    let host = host();
    host.install("echo", &wat::logs(World::ChatPush, "one"));
    host.post_chat("s", "hello");
    let line = host.log.wait("the handler's line", said("echo", "one"));
    assert!(!field(&line, "event").is_empty());
    assert!(!field(&line, "delivery").is_empty());

    std::fs::remove_file(host.plugins().join("echo.wasm")).expect("deleted");
    host.log.wait("the plugin to stop", |line| {
        message(line).starts_with("plugin stopped")
    });
    host.post_chat("s", "nobody listens");
    host.install("other", &wat::logs(World::ChatPush, "other"));
    host.post_chat("s", "somebody does");
    host.log
        .wait("the other plugin's line", said("other", "other"));
    assert_eq!(host.log.matching(said("echo", "one")).len(), 1);
}

#[test]
fn garbage_over_a_plugin_keeps_the_old_version_and_logs_one_error() {
    let host = host();
    let version = host.install("echo", &wat::logs(World::ChatPush, "good"));
    std::fs::write(host.plugins().join("echo.wasm"), b"this is no wasm").expect("written");
    let is_error =
        |line: &serde_json::Value| line["level"] == "ERROR" && field(line, "plugin") == "echo";
    host.log.wait("the error", is_error);
    host.post_chat("s", "still there?");
    host.log
        .wait("the old version's line", said("echo", "good"));
    assert_eq!(host.log.matching(is_error).len(), 1);
    let plugin = host.plugin("echo").expect("it is listed");
    assert_eq!(plugin["version"], version.as_str());
    assert!(plugin["problem"].as_str().is_some());

    host.install("echo", &wat::logs(World::ChatPush, "better"));
    host.post_chat("s", "and now?");
    host.log
        .wait("the new version's line", said("echo", "better"));
}

#[test]
fn a_half_written_file_is_taken_when_it_is_whole() {
    let host = host();
    let wasm = wat::logs(World::ChatPush, "whole");
    let path = host.plugins().join("slow.wasm");
    std::fs::write(&path, &wasm[..wasm.len() / 2]).expect("written");
    host.log.wait("the complaint about half a file", |line| {
        line["level"] == "ERROR" && field(line, "plugin") == "slow"
    });
    host.post_chat("s", "early");
    std::fs::write(&path, &wasm).expect("written");
    // Installed when it was seen, so the earlier event was routed to it too.
    host.log
        .wait("the early event's line", said("slow", "whole"));
}

#[test]
fn a_manifest_configures_filters_and_disables() {
    let host = host();
    host.manifest("picky", "[events]\nagents = [\"nobody\"]\n");
    host.install("picky", &wat::logs(World::ChatPush, "picked"));
    host.install("all", &wat::logs(World::ChatPush, "all"));
    host.post_chat("s", "for all");
    host.log.wait("the other plugin's line", said("all", "all"));
    assert!(deliveries(&host, "picky", "pending").is_empty());
    assert!(deliveries(&host, "picky", "done").is_empty());

    host.manifest("all", "enabled = false\n");
    wait_for("the plugin to be disabled", || {
        host.plugin("all")?["disabled"].as_bool()?.then_some(())
    });
    host.manifest("all", "enabeld = true\n");
    let complaint = host.log.wait("a complaint about the key", |line| {
        line["level"] == "ERROR" && field(line, "plugin") == "all"
    });
    assert!(message(&complaint).contains("enabled"), "{complaint}");
}

#[test]
fn a_link_over_a_plugin_keeps_the_old_version() {
    let host = host();
    let version = host.install("echo", &wat::logs(World::ChatPush, "good"));
    let path = host.plugins().join("echo.wasm");
    std::fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink("/dev/zero", &path).expect("linked");
    let problem = wait_for("the link to be refused", || {
        Some(host.plugin("echo")?["problem"].as_str()?.to_owned())
    });
    assert!(problem.contains("a symbolic link"), "{problem}");
    assert_eq!(host.version("echo"), Some(version));
    host.post_chat("s", "still there?");
    host.log
        .wait("the old version's line", said("echo", "good"));
}

#[test]
fn a_version_that_came_while_the_host_was_down_gets_what_it_asks_for_from_the_start() {
    let mut host = host();
    host.manifest("echo", "[events]\ntypes = [\"room.join\"]\n");
    host.install("echo", &wat::logs(World::RoomJoin, "one"));
    host.stop();
    host.manifest("echo", "");
    let second = wat::logs(World::ChatPush, "two");
    // Half of it: the event is stored before anyone can know its handlers.
    host.drop_in("echo", &second[..second.len() / 2]);
    host.restart();
    host.post_chat("s", "for the second version");
    host.install("echo", &second);
    host.log
        .wait("the second version's line", said("echo", "two"));
}

#[test]
fn a_plugin_that_was_disabled_while_the_host_was_down_gets_nothing_once_it_is_ready() {
    let mut host = host();
    host.install("echo", &wat::logs(World::ChatPush, "one"));
    host.stop();
    host.manifest("echo", "enabled = false\n");
    host.restart();
    host.post_chat("s", "for nobody");
    let counts = host.api("/api/counts");
    assert_eq!(
        (&counts["events"], &counts["pending"]),
        (&1.into(), &0.into())
    );
    assert!(host.version("echo").is_none());
}

#[test]
fn plugins_that_are_gone_at_the_start_are_taken_off_with_a_word() {
    let mut host = host();
    let echo = wat::logs(World::ChatPush, "back again");
    host.install("echo", &echo);
    host.stop();
    std::fs::remove_dir_all(host.plugins()).expect("removed");
    host.restart();
    host.log.wait("a warning about the folder", |line| {
        line["level"] == "WARN" && message(line).contains("folder is empty")
    });
    host.log.wait("the plugin to be taken off", |line| {
        field(line, "plugin") == "echo" && message(line).contains("its file is gone")
    });
    host.install("echo", &echo);
    host.post_chat("s", "hello");
    host.log.wait("its line", said("echo", "back again"));
}

#[test]
fn replaced_under_full_load_loses_nothing_and_never_runs_the_wrong_version() {
    let host = host();
    let versions = [
        wat::logs(World::ChatPush, "version a"),
        wat::logs(World::ChatPush, "version b"),
    ];
    host.install("echo", &versions[0]);
    let stop = AtomicBool::new(false);
    let posted = AtomicU64::new(0);
    let url = format!("{}/webhook", host.url);

    thread::scope(|scope| {
        let senders: Vec<_> = (0..64)
            .map(|sender| {
                let (stop, posted, url) = (&stop, &posted, &url);
                scope.spawn(move || {
                    let client = Client::default();
                    let session = format!("session-{sender}");
                    while !stop.load(Ordering::Relaxed) {
                        let body = samples::chat(&session, "load");
                        let answer = client.post(url, &[], body.as_bytes()).expect("an answer");
                        assert_eq!(answer.status, 200, "{}", answer.body);
                        posted.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for swap in 0..6 {
            let enough = posted.load(Ordering::Relaxed) + 300;
            wait_for("some load", || {
                (posted.load(Ordering::Relaxed) >= enough).then_some(())
            });
            let expected = ["version b", "version a"][swap % 2];
            host.install("echo", &versions[1 - swap % 2]);
            // Reported as swapped: an event posted from now on runs on it.
            let session = format!("probe-{swap}");
            host.post_chat(&session, "which version?");
            let probe = probe_event(&host, &session);
            let line = host.log.wait("the probe's line", |line| {
                is_from_plugin(line, "echo") && field(line, "event") == probe
            });
            assert_eq!(message(&line), expected);
        }
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.join().expect("no request failed");
        }
    });

    let total = posted.load(Ordering::Relaxed) + 6;
    wait_for("every event to be handled", || {
        let counts = host.api("/api/counts");
        (counts["done"].as_u64()? == total).then_some(())
    });
    let counts = host.api("/api/counts");
    assert_eq!(counts["events"], total);
    assert_eq!(counts["dead"], 0);
    assert_eq!(counts["pending"], 0);
}

/// The id of the latest event of a session.
fn probe_event(host: &hookbox_testkit::Host, session: &str) -> String {
    let newest = host.api("/api/deliveries?plugin=echo&limit=1000");
    let newest = newest["deliveries"].as_array().expect("a list");
    let probe = newest
        .iter()
        .find(|delivery| delivery["session_id"] == session);
    probe.expect("it is among the newest")["event"]
        .as_str()
        .expect("an id")
        .to_owned()
}
