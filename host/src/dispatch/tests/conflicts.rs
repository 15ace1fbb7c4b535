//! Attempts that are in each other's way.

use std::sync::Arc;

use super::bench::{Bench, Settings, ends, report, settings};
use super::journal::parse;
use super::{chat_push, key};
use crate::dispatch::contention::IN_ALL;
use crate::journal::Finish;
use crate::sandbox::{Attempt, KvProblem, Report, Verdict};
use crate::types::effects::{KvKey, KvWrite};

/// How many attempts run at once.
const AT_ONCE: usize = 8;

fn at(key: &str) -> KvKey {
    KvKey {
        bucket: "b".into(),
        key: key.into(),
    }
}

/// Adds one to each of these entries, in this order, and lets others run between
/// any two steps.
async fn increment(attempt: Attempt, keys: &[&str]) -> Report {
    let mut done = report(Verdict::Done);
    for key in keys {
        tokio::task::yield_now().await;
        let found = attempt.kv.get("b", vec![(*key).into()]).await;
        let found = match found {
            Ok(mut entries) => entries.pop().expect("as many as were asked for"),
            Err(KvProblem::Conflict { at }) => return report(Verdict::Conflict { at }),
            Err(problem) => panic!("{problem}"),
        };
        let (number, version) = match &found {
            Some(entry) => (parse(&entry.value), Some(entry.version)),
            None => (0, None),
        };
        if let Err(KvProblem::Conflict { at }) = attempt.kv.touch(&at(key)) {
            return report(Verdict::Conflict { at });
        }
        done.effects.kv.reads.push((at(key), version));
        done.effects.kv.writes.push(KvWrite {
            at: at(key),
            value: Some((number + 1).to_string().into()),
        });
        tokio::task::yield_now().await;
    }
    done
}

/// Each of so many deliveries increments, all at once.
async fn run(
    deliveries: i64,
    keys: impl Fn(i64) -> &'static [&'static str] + Send + Sync + 'static,
) -> (Vec<Finish>, Arc<super::journal::Memory>, u64) {
    let keys = Arc::new(keys);
    let bench = Bench::acting(AT_ONCE, &[], move |attempt| {
        let keys = Arc::clone(&keys);
        Box::pin(async move {
            let keys = keys(attempt.delivery.0);
            increment(attempt, keys).await
        })
    });
    let settings = Settings {
        concurrency: AT_ONCE,
        ..settings()
    };
    bench.add(key(), settings).await;
    for delivery in 1..=deliveries {
        bench.commit(delivery, chat_push());
    }
    let (journal, dispatcher) = (bench.journal.clone(), bench.dispatcher.clone());
    let all = usize::try_from(deliveries).expect("a few");
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == all).await;
    (outcomes, journal, dispatcher.stats().totals().conflicts)
}

#[tokio::test]
async fn all_that_increment_one_key_end_and_are_counted_once() {
    let (outcomes, journal, conflicts) = run(300, |_| &["hot"]).await;
    assert_eq!(journal.number(&at("hot")), 300);
    assert_eq!(outcomes.len(), 300);
    assert!(outcomes.iter().all(|finish| finish.attempts == 1));
    assert!(
        conflicts <= 300 * u64::from(IN_ALL),
        "{conflicts} conflicts"
    );
    assert!(journal.conflicts() <= 300 * AT_ONCE, "most are seen early");
}

#[tokio::test]
async fn two_keys_in_opposite_orders_do_not_deadlock() {
    let keys = |delivery| -> &'static [&'static str] {
        if delivery % 2 == 0 {
            &["a", "b"]
        } else {
            &["b", "a"]
        }
    };
    let (outcomes, journal, _) = run(200, keys).await;
    assert_eq!(
        (journal.number(&at("a")), journal.number(&at("b"))),
        (200, 200)
    );
    assert!(outcomes.iter().all(|finish| finish.attempts == 1));
}

#[tokio::test]
async fn a_conflict_that_the_sandbox_reports_uses_up_no_attempt() {
    let tries = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counter = Arc::clone(&tries);
    let bench = Bench::acting(1, &[], move |attempt| {
        assert_eq!(attempt.number, 1);
        let earlier = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Box::pin(async move {
            match earlier {
                0..20 => report(Verdict::Conflict { at: at("k") }),
                _ => report(Verdict::Done),
            }
        })
    });
    bench.add(key(), settings()).await;
    bench.commit(1, chat_push());
    let dispatcher = bench.dispatcher.clone();
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 1).await;
    assert_eq!((outcomes.len(), outcomes[0].attempts), (1, 1));
    let totals = dispatcher.stats().totals();
    assert_eq!((totals.conflicts, totals.failed_attempts), (20, 0));
}
