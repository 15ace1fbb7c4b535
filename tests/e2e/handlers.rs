//! Plugins compiled from source, in three languages, on the provider's bodies.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use hookbox::toolchain::{self, Built};
use hookbox_testkit::log::{field, is_from_plugin, message};
use hookbox_testkit::{Host, samples, wait_for};
use serde_json::json;
use tempfile::TempDir;

use crate::languages;
use crate::support::{deliveries, host, said};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Where this run's Rust plugins go.
fn out() -> &'static Path {
    static OUT: OnceLock<TempDir> = OnceLock::new();
    OUT.get_or_init(|| TempDir::new().expect("a scratch folder"))
        .path()
}

fn build(source: &str, options: &toolchain::Options) -> Built {
    let dir = Path::new(ROOT).join(source);
    toolchain::build_plugin(&dir, out(), options, &mut |_| {}).expect("the plugin builds")
}

fn wasm(path: &PathBuf) -> Vec<u8> {
    fs::read(path).expect("the plugin was built")
}

/// Everything that `plugin` has logged, once there are `count` lines.
fn lines(host: &Host, plugin: &str, count: usize) -> Vec<String> {
    let lines = host
        .log
        .wait_count(plugin, count, |line| is_from_plugin(line, plugin));
    lines.iter().map(|line| message(line).to_owned()).collect()
}

fn post_samples(host: &Host, names: &[&str]) {
    for name in names {
        let answer = host.post(samples::read(name).as_bytes());
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, r#"{"status":"ok"}"#),
            "{name}"
        );
    }
}

#[test]
fn the_bundled_plugins_do_their_work_on_the_samples() {
    let host = host();
    for name in ["greeter", "order-finder"] {
        let built = build(&format!("plugins/{name}"), &toolchain::Options::default());
        host.install(name, &wasm(&built.component));
    }
    post_samples(
        &host,
        &[
            "room.join.json",
            "chat.push.json",
            "chat.push.assistant.json",
        ],
    );
    let greeter = lines(&host, "greeter", 3);
    assert!(
        greeter
            .iter()
            .any(|line| line.contains("customer-support-room")),
        "{greeter:?}"
    );
    assert!(
        greeter
            .iter()
            .any(|line| line.contains("I'm Pip, your friendly science fox!"))
    );
    let orders = lines(&host, "order-finder", 1);
    assert!(orders[0].contains("12345"), "{orders:?}");
}

#[test]
fn each_of_the_seven_combinations_gets_exactly_its_events_as_component_and_as_core_module() {
    let host = host();
    let mut expected = Vec::new();
    for mask in 1..8u8 {
        let features: Vec<String> = ["room-join", "chat-push", "event"]
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| mask & (1 << bit) != 0)
            .map(|(_, feature)| feature.to_owned())
            .collect();
        let options = toolchain::Options {
            name: Some(format!("combo-{mask}")),
            features: features.clone(),
            ..toolchain::Options::default()
        };
        let built = build("tests/fixtures/combos", &options);
        for (kind, file) in [("component", &built.component), ("core", &built.core)] {
            let name = format!("{kind}-{mask}");
            host.install(&name, &wasm(file));
            expected.push((name, features.clone()));
        }
    }
    post_samples(&host, &["room.join.json", "chat.push.json", "test.json"]);
    for (name, features) in expected {
        let said = lines(&host, &name, features.len());
        let mut handlers: Vec<&str> = said
            .iter()
            .filter_map(|line| line.split(' ').next())
            .collect();
        handlers.sort_unstable();
        let mut features: Vec<&str> = features.iter().map(String::as_str).collect();
        features.sort_unstable();
        assert_eq!(handlers, features, "{name}");
        wait_for("its outcomes to be stored", || {
            (deliveries(&host, &name, "done").len() == features.len()).then_some(())
        });
    }
}

#[test]
fn what_a_handler_answers_decides_about_its_delivery() {
    let host = host();
    let options = toolchain::Options {
        name: Some("chatty".into()),
        features: vec!["chat-push".into()],
        ..toolchain::Options::default()
    };
    host.install(
        "chatty",
        &wasm(&build("tests/fixtures/combos", &options).component),
    );
    host.post_chat("a", "reject");
    host.post_chat("b", "retry");
    host.post_chat("c", "panic");
    let ended = |text: &'static str| {
        host.log.wait(text, move |line| {
            field(line, "plugin") == "chatty" && message(line).contains(text)
        })
    };
    ended("delivery is dead: rejected: asked to");
    ended("ms: asked to");
    ended("trapped");
    // The panic's message comes before the trap that ends it.
    let panic = host.log.wait("the panic's message", |line| {
        is_from_plugin(line, "chatty") && line["level"] == "ERROR"
    });
    assert!(message(&panic).contains("asked to"), "{panic}");
    // Retried until it works: here, never; but later events of others go on.
    host.post_chat("d", "fine");
    host.log
        .wait("a later event", said("chatty", "chat-push d fine"));
}

#[test]
fn an_event_that_does_not_fit_goes_to_on_event_or_is_dead_with_its_path() {
    let host = host();
    for (name, features) in [
        ("typed", &["chat-push"][..]),
        ("both", &["chat-push", "event"]),
    ] {
        let options = toolchain::Options {
            name: Some(name.into()),
            features: features.iter().map(|&feature| feature.to_owned()).collect(),
            ..toolchain::Options::default()
        };
        host.install(
            name,
            &wasm(&build("tests/fixtures/combos", &options).component),
        );
    }
    let body = br#"{"event_type":"chat.push","agent_id":"A","timestamp":1.5,
        "data":{"role":"user","message":7,"session_id":"s","timestamp":1.5}}"#;
    assert_eq!(host.post(body).status, 200);
    let dead = wait_for("the misfit to be dead", || {
        deliveries(&host, "typed", "dead").pop()
    });
    let reason = dead["reason"].as_str().expect("a reason");
    assert!(reason.contains("data.message"), "{reason}");
    assert!(lines(&host, "both", 1)[0].starts_with("event chat.push"));
}

#[test]
fn half_a_surrogate_pair_reaches_the_handler_as_the_replacement_character() {
    let host = host();
    let options = toolchain::Options {
        name: Some("unicode".into()),
        features: vec!["chat-push".into()],
        ..toolchain::Options::default()
    };
    host.install(
        "unicode",
        &wasm(&build("tests/fixtures/combos", &options).component),
    );
    let body = br#"{"event_type":"chat.push","agent_id":"A","timestamp":1.5,
        "data":{"role":"user","message":"half \ud83d pair","session_id":"s","timestamp":1.5}}"#;
    assert_eq!(host.post(body).status, 200);
    assert_eq!(
        lines(&host, "unicode", 1),
        ["chat-push s half \u{fffd} pair"]
    );
}

#[test]
fn a_plugin_in_c_runs_as_its_compiler_wrote_it() {
    let plugin = languages::c_plugin().unwrap_or_else(|error| panic!("{error}"));
    let host = host();
    host.install("handoff", &wasm(&plugin));
    host.post_chat("s-c", "May I speak to a HUMAN please?");
    let line = host.log.wait(
        "the handler's line",
        said("handoff", "May I speak to a HUMAN please?"),
    );
    assert_eq!(
        (&line["level"], field(&line, "context")),
        (&json!("WARN"), "asks for a human")
    );
}

#[test]
fn a_plugin_in_javascript_runs_with_wasi_imports() {
    let plugin = languages::js_plugin().unwrap_or_else(|error| panic!("{error}"));
    let host = host();
    host.manifest("contacts", "[config]\nignore = \"me@example.com\"\n");
    host.install("contacts", &wasm(&plugin));
    host.post_chat("s-js", "I am jane@example.org, not me@example.com");
    post_samples(&host, &["room.join.live.json", "agent.ready.json"]);
    let lines = lines(&host, "contacts", 2);
    assert!(
        lines.contains(&"jane@example.org in session s-js".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("3 in room-A80HVD8577")),
        "{lines:?}"
    );
    wait_for("all three to be handled", || {
        (deliveries(&host, "contacts", "done").len() == 3).then_some(())
    });
}
