//! Plugins whose attempts all fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::bench::{Bench, Settings, ends, report, settings};
use super::{chat_push, key};
use crate::dispatch::{BreakerPolicy, BreakerState};
use crate::sandbox::{Failure, Verdict};

fn breaker(pause: Duration) -> Settings {
    Settings {
        breaker: BreakerPolicy {
            failures: 5,
            pause,
            max_pause: pause,
        },
        ..settings()
    }
}

/// Fails as long as it is `broken`, and counts its attempts.
fn bench(broken: &Arc<AtomicBool>, attempts: &Arc<AtomicUsize>) -> Bench {
    let (broken, attempts) = (Arc::clone(broken), Arc::clone(attempts));
    Bench::acting(1, &[], move |_| {
        attempts.fetch_add(1, Ordering::Relaxed);
        let verdict = if broken.load(Ordering::Relaxed) {
            Verdict::Failed(Failure::Other("the service is down".into()))
        } else {
            Verdict::Done
        };
        Box::pin(async { report(verdict) })
    })
}

#[tokio::test]
async fn a_plugin_that_fails_every_time_is_paused_and_its_new_version_is_not() {
    let (broken, attempts) = (Arc::new(AtomicBool::new(true)), Arc::default());
    let bench = bench(&broken, &attempts);
    let hour = breaker(Duration::from_secs(3600));
    // All are there before the plugin: otherwise the first fails many times
    // before the third has come.
    for delivery in 1..=100 {
        bench.commit(delivery, chat_push());
    }
    bench.add(key(), hour).await;
    while bench.dispatcher.breaker(&key()).state != BreakerState::Open {
        tokio::task::yield_now().await;
    }
    let status = bench.dispatcher.breaker(&key());
    assert_eq!(status.failures, 5);
    assert!(status.until.is_some());
    assert_eq!(bench.dispatcher.stats().totals().pauses, 1);
    assert_eq!(attempts.load(Ordering::Relaxed), 5, "the others wait");

    broken.store(false, Ordering::Relaxed);
    bench.add(key(), hour).await;
    assert_eq!(bench.dispatcher.breaker(&key()).state, BreakerState::Closed);
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 100).await;
    let failed = outcomes.len() - 100;
    assert_eq!(failed, 5, "waiting used up no attempts");
}

#[tokio::test]
async fn a_paused_plugin_is_probed_and_goes_on_when_it_works_again() {
    let (broken, attempts) = (Arc::new(AtomicBool::new(true)), Arc::default());
    let bench = bench(&broken, &attempts);
    bench.add(key(), breaker(Duration::from_millis(1))).await;
    for delivery in 1..=50 {
        bench.commit(delivery, chat_push());
    }
    while bench.dispatcher.stats().totals().pauses < 3 {
        tokio::task::yield_now().await;
    }
    broken.store(false, Ordering::Relaxed);
    let dispatcher = bench.dispatcher.clone();
    bench.stop_after(|outcomes| ends(outcomes) == 50).await;
    assert_eq!(dispatcher.breaker(&key()).state, BreakerState::Closed);
}
