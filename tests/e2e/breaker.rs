//! A plugin that always fails is paused, and nobody else notices.

use hookbox_testkit::log::message;
use hookbox_testkit::wait_for;
use hookbox_testkit::wat::{self, World};

use crate::support::{deliveries, host, said};

/// Attempts of one plugin at once: those that run when it is paused still end.
const AT_ONCE: u64 = 8;

#[test]
fn a_plugin_that_always_fails_is_paused_alone_and_goes_on_when_it_is_repaired() {
    const EVENTS: usize = 60;
    let host = host();
    host.manifest(
        "sick",
        "[retry]\nattempts = 100\ntraps = 100\nbase = \"1ms\"\nmax = \"1ms\"\n\
         [breaker]\nfailures = 5\npause = \"300s\"\nmax_pause = \"300s\"\n",
    );
    host.install("sick", &wat::traps(World::ChatPush));
    host.install("well", &wat::logs(World::ChatPush, "fine"));
    for session in 0..EVENTS {
        host.post_chat(&format!("s-{session}"), "hello");
    }
    host.log
        .wait_count("the other plugin", EVENTS, said("well", "fine"));
    host.log.wait("the pause", |line| {
        message(line).starts_with("plugin paused for 300000 ms")
    });
    // They come in while it is paused: no attempt is made.
    for session in 0..EVENTS {
        host.post_chat(&format!("t-{session}"), "hello");
    }
    host.log
        .wait_count("the other plugin", EVENTS * 2, said("well", "fine"));
    let failed = host.metric("hookbox_failed_attempts_total");
    assert!((5..=5 + AT_ONCE).contains(&failed), "{failed} attempts");
    assert_eq!(
        deliveries(&host, "sick", "dead"),
        Vec::<serde_json::Value>::new()
    );

    host.install("sick", &wat::logs(World::ChatPush, "cured"));
    host.log
        .wait_count("the repaired plugin", EVENTS * 2, said("sick", "cured"));
    wait_for("the last outcome", || {
        (host.api("/api/counts")["pending"] == 0).then_some(())
    });
}
