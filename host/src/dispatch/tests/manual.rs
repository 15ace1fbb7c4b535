//! Deliveries that an operator asked for.

use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::bench::{Bench, Settings, ends, report, settings};
use super::{chat_push, key};
use crate::sandbox::Verdict;

/// What was started, with whether an operator had asked for it.
type Seen = Arc<Mutex<Vec<(i64, bool)>>>;

/// Every attempt waits for a permit and ends well.
fn bench(seen: &Seen, gate: &Arc<Semaphore>) -> Bench {
    let (seen, gate) = (Arc::clone(seen), Arc::clone(gate));
    Bench::acting(4, &[], move |attempt| {
        let gate = Arc::clone(&gate);
        let start = (attempt.delivery.0, attempt.manual);
        seen.lock().expect("not poisoned").push(start);
        Box::pin(async move {
            gate.acquire().await.expect("it stays open").forget();
            report(Verdict::Done)
        })
    })
}

#[tokio::test]
async fn what_an_operator_asks_for_runs_beside_its_session_and_is_marked() {
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let bench = bench(&seen, &gate);
    let settings = Settings {
        concurrency: 2,
        ..settings()
    };
    bench.add(key(), settings).await;
    // The session's first waits, and the operator's overtakes its second.
    for delivery in [10, 11] {
        bench.commit_for(&key(), delivery, Some("s"), chat_push());
    }
    bench.ask_for([3]);
    while seen.lock().expect("not poisoned").len() < 2 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(100);
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 3).await;
    assert_eq!(outcomes.len(), 3);
    let seen = seen.lock().expect("not poisoned");
    let mut first: Vec<_> = seen[..2].to_vec();
    first.sort_unstable();
    assert_eq!(first, [(3, true), (10, false)]);
    assert_eq!(seen[2], (11, false));
}

#[tokio::test]
async fn the_operators_and_the_others_take_turns() {
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(1000)));
    let bench = bench(&seen, &gate);
    // Both are in the store when the plugin comes.
    bench.ask_for(1..=100);
    for delivery in 101..=200 {
        bench.commit(delivery, chat_push());
    }
    bench.add(key(), settings()).await;
    bench.stop_after(|outcomes| ends(outcomes) == 200).await;
    let seen = seen.lock().expect("not poisoned");
    assert_eq!(seen.len(), 200, "none twice");
    // The two pages may come in one after the other.
    let both = seen.windows(2).filter(|pair| pair[0].1 != pair[1].1);
    assert!(both.count() > 100, "{seen:?}");
}

#[tokio::test]
async fn many_announcements_run_each_delivery_once() {
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(100_000)));
    let bench = bench(&seen, &gate);
    bench.add(key(), settings()).await;
    // Far more than a lane holds, and each step below the one before it.
    for step in (0..50).rev() {
        bench.ask_for(step * 100 + 1..=step * 100 + 100);
    }
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 5000).await;
    assert_eq!(outcomes.len(), 5000);
    let mut seen = seen.lock().expect("not poisoned").clone();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 5000);
    assert!(seen.iter().all(|(_, manual)| *manual));
}
