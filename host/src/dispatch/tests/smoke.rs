//! The attempt before a version is swapped in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hookbox_testkit::wat::{self, World};

use super::bench::{Bench, report, settings};
use super::{chat_push, event, key};
use crate::sandbox::Verdict;

async fn smoke(bench: &Bench, component: &[u8]) -> Result<(), String> {
    let event = event("chat.push", Bytes::from_static(b"{}"), chat_push()).event;
    let plugin = bench.make(component, settings());
    bench.dispatcher.smoke(key().plugin, plugin, event).await
}

#[tokio::test]
async fn it_passes_if_the_handler_answers_ok_and_is_no_delivery() {
    let bench = Bench::start(&wat::logs(World::ChatPush, "hi"), &[]).await;
    let good = smoke(&bench, &wat::logs(World::ChatPush, "fine")).await;
    assert_eq!(good, Ok(()));
    for (bad, says) in [
        (wat::traps(World::ChatPush), "unreachable"),
        (wat::loops(World::ChatPush), "CPU"),
        (wat::grows(World::ChatPush), "memory limit"),
    ] {
        let said = smoke(&bench, &bad).await.expect_err("it doesn't do");
        assert!(said.contains(says), "{said}");
    }
    let outcomes = bench.stop_after(|_| true).await;
    assert_eq!(outcomes.len(), 0);
}

#[tokio::test]
async fn it_sees_no_entries_and_has_no_grants_and_an_answer_but_ok_fails() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&attempts);
    let bench = Bench::acting(1, &[], move |attempt| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let keys = vec!["a".to_owned()];
            let entries = attempt.kv.get("b", keys).await.expect("they are empty");
            assert_eq!(entries, [None]);
            assert_eq!(attempt.kv.open().await.expect("empty").used, 0);
            assert!(attempt.grants.check("GET", "https://a.example/").is_err());
            report(match number {
                0 => Verdict::Retry {
                    reason: "not yet".into(),
                    delay: None,
                },
                1 => Verdict::Reject {
                    reason: "never".into(),
                },
                _ => Verdict::Done,
            })
        })
    });
    let component = wat::logs(World::ChatPush, "hi");
    let said = smoke(&bench, &component).await.expect_err("it asks");
    assert!(said.ends_with("another attempt: not yet"), "{said}");
    let said = smoke(&bench, &component).await.expect_err("it rejects");
    assert!(said.ends_with("rejects it: never"), "{said}");
    assert_eq!(smoke(&bench, &component).await, Ok(()));
    bench.dispatcher.stop().await;
    let said = smoke(&bench, &component)
        .await
        .expect_err("nobody is there");
    assert!(said.contains("stopping"), "{said}");
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
}
