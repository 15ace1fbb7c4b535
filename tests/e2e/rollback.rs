//! New versions that trap are replaced by the one before.

use hookbox_testkit::log::{field, message};
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, samples, wait_for};
use serde_json::Value;

use crate::support::{deliveries, host, said};

const NONE: Vec<Value> = Vec::new();

fn good() -> Vec<u8> {
    wat::logs(World::ChatPush, "good")
}

fn traps() -> Vec<u8> {
    wat::traps(World::ChatPush)
}

/// A host with a plugin that has handled an event; returns its version too.
fn with_good() -> (Host, String) {
    let host = host();
    let version = host.install("echo", &good());
    host.post_chat("s", "first");
    host.log.wait("the first line", said("echo", "good"));
    (host, version)
}

fn rolled_back(line: &Value) -> bool {
    line["level"] == "ERROR" && message(line).starts_with("plugin rolled back")
}

/// Waits until the API says that it was rolled back; returns the plugin.
fn wait_rolled_back(host: &Host) -> Value {
    wait_for("the rollback", || {
        let plugin = host.plugin("echo")?;
        (!plugin["rolled_back"].is_null()).then_some(plugin)
    })
}

fn wait_done(host: &Host, count: u64) {
    wait_for("all to be handled", || {
        (host.api("/api/counts")["done"] == count).then_some(())
    });
}

/// The events of a session in the order in which they were handled.
fn handled(host: &Host, count: usize) -> Vec<String> {
    let lines = host
        .log
        .wait_count("the lines", count, said("echo", "good"));
    let events = lines.iter().map(|line| field(line, "event").to_owned());
    events.collect()
}

fn rolls_back(bad: &[u8], why: &str) {
    let (host, old) = with_good();
    let new = host.install("echo", bad);
    for _ in 0..5 {
        host.post_chat("s", "on the new one");
    }
    wait_done(&host, 6);
    let order = handled(&host, 6);
    // Newest first.
    let mut stored: Vec<String> = deliveries(&host, "echo", "done")
        .iter()
        .map(|delivery| delivery["event"].as_str().expect("an id").to_owned())
        .collect();
    stored.reverse();
    assert_eq!(order, stored);
    assert_eq!(deliveries(&host, "echo", "dead"), NONE);

    let line = host.log.wait("the error", rolled_back);
    assert_eq!(field(&line, "version"), new);
    assert_eq!(field(&line, "earlier"), old);
    assert!(message(&line).contains(why), "{line}");
    let plugin = wait_rolled_back(&host);
    assert_eq!(plugin["version"], old.as_str());
    assert_eq!(plugin["rolled_back"]["version"], new.as_str());
    let reason = plugin["rolled_back"]["reason"].as_str().expect("a text");
    assert!(reason.contains(why), "{reason}");
    assert_eq!(host.metric("hookbox_rollbacks_total"), 1);

    // What was tried is told as it was.
    let second = &deliveries(&host, "echo", "done")[4];
    let path = format!("/api/deliveries/{}", second["id"]);
    let attempts = host.api(&path)["attempts"].as_array().cloned();
    assert_eq!(attempts.expect("a list").len(), 4);
}

#[test]
fn a_version_that_traps_is_replaced_and_its_deliveries_are_handled_in_order() {
    rolls_back(&traps(), "unreachable");
}

#[test]
fn a_version_that_takes_too_long_is_replaced() {
    rolls_back(&wat::loops(World::ChatPush), "limit");
}

#[test]
fn events_are_routed_by_what_the_old_version_handles_again() {
    let (host, _old) = with_good();
    // It handles other events.
    host.install("echo", &wat::traps(World::Event));
    for number in 0..3 {
        let other = format!(r#"{{"event_type":"other","data":{{"number":{number}}}}}"#);
        assert_eq!(host.post(other.as_bytes()).status, 200);
    }
    wait_rolled_back(&host);
    host.post_chat("s", "for the old one");
    host.log
        .wait_count("the old one's lines", 2, said("echo", "good"));
}

#[test]
fn a_rolled_back_file_stays_out_until_it_is_replaced_or_forced() {
    let (mut host, old) = with_good();
    let new = host.install("echo", &traps());
    host.post_chat("s", "on the new one");
    wait_rolled_back(&host);

    // Touched, and with another manifest.
    host.drop_in("echo", &traps());
    host.manifest("echo", "[config]\nanother = 1\n");
    let stays = |line: &Value| message(line).contains("was rolled back and stays out");
    host.log.wait("a word about it", stays);
    assert_eq!(wait_rolled_back(&host)["version"], old.as_str());

    host.stop();
    host.restart();
    let plugin = wait_rolled_back(&host);
    assert_eq!(plugin["version"], old.as_str());
    assert_eq!(plugin["rolled_back"]["version"], new.as_str());
    host.post_chat("s", "after the restart");
    host.log.wait("the old one's line", said("echo", "good"));

    host.manifest("echo", "[rollback]\nfailures = 0\n");
    wait_for("the new one to be forced", || {
        (host.version("echo")? == new).then_some(())
    });
    assert!(host.plugin("echo").expect("it is there")["rolled_back"].is_null());

    let better = host.install("echo", &wat::logs(World::ChatPush, "better"));
    assert_ne!(better, new);
    host.post_chat("t", "on the better one");
    host.log.wait("its line", said("echo", "better"));
}

#[test]
fn the_old_code_is_kept_though_it_was_pushed_out_of_the_cache_before() {
    let (mut host, old) = with_good();
    let code = host.data().join("code");
    for entry in std::fs::read_dir(&code).expect("it is there") {
        std::fs::remove_file(entry.expect("an entry").path()).expect("removed");
    }
    host.install("echo", &traps());
    host.post_chat("s", "on the new one");
    wait_rolled_back(&host);
    wait_for("both to be kept", || {
        let entries = std::fs::read_dir(&code).expect("it is there").flatten();
        let whole = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
        (whole.count() == 2).then_some(())
    });
    host.stop();
    host.restart();
    assert_eq!(wait_rolled_back(&host)["version"], old.as_str());
}

#[test]
fn without_the_old_code_the_new_file_runs_after_a_restart_with_a_word() {
    let (mut host, _old) = with_good();
    let new = host.install("echo", &traps());
    host.post_chat("s", "on the new one");
    wait_rolled_back(&host);
    wait_done(&host, 2);
    host.stop();
    std::fs::remove_dir_all(host.data().join("code")).expect("removed");
    host.restart();
    wait_for("the new one", || {
        (host.version("echo")? == new).then_some(())
    });
    host.log.wait("a word about it", |line| {
        message(line).contains("isn't kept any more")
    });
}

#[test]
fn where_the_old_version_traps_as_well_the_new_one_stays() {
    let host = host();
    host.manifest("echo", "[retry]\nbase = \"1ms\"\n");
    host.install("echo", &traps());
    host.post_chat("s", "on the old one");
    wait_for("its death", || deliveries(&host, "echo", "dead").pop());
    let new = host.install("echo", &wat::recurses(World::ChatPush));
    host.post_chat("s", "on the new one");
    wait_for("the second death", || {
        (deliveries(&host, "echo", "dead").len() == 2).then_some(())
    });
    assert_eq!(host.version("echo"), Some(new));
    assert_eq!(host.metric("hookbox_rollbacks_total"), 0);
}

#[test]
fn replaced_twice_at_once_it_goes_back_to_the_one_that_worked() {
    let (host, old) = with_good();
    // The second comes while the first is on probation and has answered nothing.
    host.install("echo", &traps());
    host.install("echo", &wat::recurses(World::ChatPush));
    host.post_chat("s", "on the newest");
    wait_done(&host, 2);
    assert_eq!(wait_rolled_back(&host)["version"], old.as_str());
    // And once more, faster than anyone looks.
    host.drop_in("echo", &traps());
    host.drop_in("echo", &wat::logs(World::ChatPush, "newest"));
    wait_for("the newest", || {
        host.plugin("echo")?["rolled_back"].is_null().then_some(())
    });
    host.post_chat("s", "on the newest");
    host.log.wait("its line", said("echo", "newest"));
    assert_eq!(deliveries(&host, "echo", "dead"), NONE);
}

#[test]
fn a_plugin_removed_on_probation_comes_back_as_a_first_version() {
    let (host, _) = with_good();
    let new = host.install("echo", &traps());
    std::fs::remove_file(host.plugins().join("echo.wasm")).expect("removed");
    wait_for("it to go", || host.plugin("echo").is_none().then_some(()));
    host.manifest("echo", "[retry]\nbase = \"1ms\"\n");
    assert_eq!(host.install("echo", &traps()), new);
    host.post_chat("s", "on the only one");
    wait_for("its death", || deliveries(&host, "echo", "dead").pop());
    assert_eq!(host.metric("hookbox_rollbacks_total"), 0);
    assert_eq!(host.version("echo"), Some(new));
}

#[test]
fn a_version_that_fails_its_smoke_event_is_not_loaded() {
    let host = host();
    let smoke = samples::chat("s", "hi");
    host.manifest("echo", &format!("[rollback]\nsmoke = '{smoke}'\n"));
    host.drop_in("echo", &traps());
    let problem = |part: &str| {
        wait_for("the problem", || {
            let plugin = host.plugin("echo")?;
            let problem = plugin["problem"].as_str()?;
            problem.contains(part).then(|| plugin["version"].clone())
        })
    };
    assert!(
        problem("smoke event failed: ").is_null(),
        "not even at first"
    );
    let version = host.install("echo", &good());
    host.log.wait("the smoke event", said("echo", "good"));
    host.drop_in("echo", &wat::loops(World::ChatPush));
    assert_eq!(problem("smoke event failed: "), version.as_str());
    host.drop_in("echo", &wat::logs(World::RoomJoin, "other"));
    assert_eq!(
        problem("no handler for an event of the type"),
        version.as_str()
    );

    host.post_chat("s", "a real one");
    wait_done(&host, 1);
    assert_eq!(host.api("/api/counts")["events"], 1);
}
