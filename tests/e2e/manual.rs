//! What an operator has run again: retried and replayed by hand.

use hookbox_testkit::log::{is_from_plugin, message};
use hookbox_testkit::{Host, wait_for};
use serde_json::{Value, json};

use crate::support::{deliveries, fixture, host, said};

/// Waits until a plugin's deliveries in that state are so many.
fn wait_deliveries(host: &Host, state: &str, count: usize) -> Vec<Value> {
    wait_for("deliveries", || {
        Some(deliveries(host, "unsteady", state)).filter(|found| found.len() == count)
    })
}

/// Posts to the admin API until it says that there is no more; the sum of the
/// deliveries that it made.
fn step_through(host: &Host, path: &str, mut asked: Value) -> u64 {
    let mut sum = 0;
    loop {
        let answer = host.api_post_json(path, &asked);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let step = answer.json();
        sum += step["deliveries"].as_u64().expect("a number");
        if step["next"].is_null() {
            return sum;
        }
        asked["after"] = step["next"].clone();
    }
}

#[test]
fn a_dead_delivery_runs_again_by_hand_with_its_attempts_kept() {
    let host = host();
    host.install("unsteady", &fixture("unsteady"));
    host.post_chat("s", "no number");
    let dead = wait_deliveries(&host, "dead", 1).remove(0);
    assert_eq!(dead["manual"], false, "{dead}");

    let path = format!("/api/deliveries/{}/retry", dead["id"]);
    let answer = host.api_post(&path);
    assert_eq!(
        (answer.status, &answer.json()["state"]),
        (200, &json!("pending"))
    );
    host.log.wait(
        "the attempt by hand",
        said("unsteady", "by hand: no number"),
    );
    let dead = wait_deliveries(&host, "dead", 1).remove(0);
    assert_eq!(dead["manual"], true, "{dead}");
    let one = host.api(&format!("/api/deliveries/{}", dead["id"]));
    let attempts = one["attempts"].as_array().expect("a list");
    assert_eq!(attempts.len(), 2, "{one}");
    for attempt in attempts {
        assert_eq!(attempt["outcome"], "dead", "{attempt}");
        let reason = attempt["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("rejected: "), "{reason}");
    }
    assert_eq!(
        attempts[0]["log"][0]["message"], "by hand: no number",
        "{one}"
    );

    assert_eq!(host.api_post("/api/deliveries/999999/retry").status, 404);
}

#[test]
fn all_dead_deliveries_of_a_repaired_plugin_run_again() {
    let host = host();
    host.install("unsteady", &fixture("unsteady"));
    for number in 0..700 {
        host.post_chat(&format!("s-{number}"), "no number");
    }
    wait_deliveries(&host, "dead", 700);
    let repaired = hookbox_testkit::wat::logs(hookbox_testkit::wat::World::ChatPush, "fine");
    host.install("unsteady", &repaired);
    let again = step_through(&host, "/api/retry", json!({"plugin": "unsteady"}));
    assert_eq!(again, 700);
    wait_deliveries(&host, "done", 700);
    host.log
        .wait_count("each of them", 700, said("unsteady", "fine"));
}

#[test]
fn past_events_are_replayed_to_a_new_plugin_marked_and_beside_the_order() {
    let mut host = host();
    host.install(
        "other",
        &hookbox_testkit::wat::logs(hookbox_testkit::wat::World::ChatPush, "seen"),
    );
    for number in 0..20 {
        host.post_chat("s", &number.to_string());
    }
    assert_eq!(host.post(br#"{"event_type":"agent.ready"}"#).status, 200);
    // Also after a restart, and while new events come in.
    host.stop();
    host.restart();
    host.install("unsteady", &fixture("unsteady"));
    host.post_chat("s", "20");
    let asked = json!({"plugin": "unsteady", "types": ["chat.push"]});
    let made = step_through(&host, "/api/replay", asked);
    assert_eq!(made, 21);
    wait_deliveries(&host, "done", 22);
    let lines = host.log.matching(|line| is_from_plugin(line, "unsteady"));
    let mut successes: Vec<&str> = lines
        .iter()
        .map(message)
        .filter_map(|line| line.strip_prefix("s "))
        .collect();
    successes.sort_unstable();
    successes.dedup();
    assert_eq!(successes.len(), 21);
    let by_hand = |record: &&Value| record["manual"] == true;
    let done = deliveries(&host, "unsteady", "done");
    assert_eq!(done.iter().filter(by_hand).count(), 21);
    assert_eq!(
        host.api_post_json("/api/replay", &json!({"plugin": "nobody"}))
            .status,
        404
    );
}
