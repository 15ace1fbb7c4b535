//! A slow plugin delays no other by more than its own running attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::bench::{Bench, Settings, ends, report, settings};
use super::{chat_push, key_of};
use crate::dispatch::lane::CAPACITY;
use crate::sandbox::Verdict;

#[tokio::test]
async fn a_backlog_beyond_memory_of_a_slow_plugin_delays_no_other() {
    let backlog = 3 * i64::try_from(CAPACITY).expect("a small number");
    let gate = Arc::new(Semaphore::new(0));
    let started = Arc::new(AtomicUsize::new(0));
    let (slow, quick) = (key_of("slow"), key_of("quick"));
    let (gated, counted) = (Arc::clone(&gate), Arc::clone(&started));
    let bench = Bench::acting(8, &[], move |attempt| {
        let (gated, counted) = (Arc::clone(&gated), Arc::clone(&counted));
        Box::pin(async move {
            if attempt.plugin.as_str() == "slow" {
                counted.fetch_add(1, Ordering::Relaxed);
                gated.acquire().await.expect("it stays open").forget();
            }
            report(Verdict::Done)
        })
    });
    let four = Settings {
        concurrency: 4,
        ..settings()
    };
    bench.add(slow.clone(), four).await;
    bench.add(quick.clone(), four).await;
    for delivery in 1..=backlog {
        bench.commit_for(&slow, delivery, None, chat_push());
    }
    for delivery in 1..=500 {
        bench.commit_for(&quick, backlog + delivery, None, chat_push());
    }
    // None of the slow ones ends before all of the quick ones have.
    let outcomes = bench.journal.outcomes(|outcomes| outcomes.len() == 500);
    let outcomes = outcomes.await;
    assert!(outcomes.iter().all(|finish| finish.delivery.0 > backlog));
    assert!(started.load(Ordering::Relaxed) <= 4);

    gate.add_permits(1 << 20);
    let all = usize::try_from(backlog).expect("a small number") + 500;
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == all).await;
    assert_eq!(outcomes.len(), all, "none is lost, none runs twice");
}
