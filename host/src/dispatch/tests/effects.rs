//! What an attempt read, wrote and logged goes with its outcome.

use super::bench::{Acting, Bench, ends, report, settings};
use super::journal::Takes;
use super::{chat_push, key, key_of};
use crate::journal::{Finish, Next};
use crate::sandbox::log::{Level, Line};
use crate::sandbox::{Attempt, Verdict};
use crate::types::effects::{CounterAdd, KvEffects, KvKey, KvWrite};
use crate::types::{DeliveryId, Effects};

fn at() -> KvKey {
    KvKey {
        bucket: "b".into(),
        key: "k".into(),
    }
}

/// Reads, writes, counts and logs, and ends with this verdict.
fn busy(verdict: Verdict) -> Acting {
    let mut report = report(verdict);
    report.effects = Effects {
        counters: vec![CounterAdd {
            name: "seen".into(),
            delta: 1,
        }],
        kv: KvEffects {
            reads: vec![(at(), None)],
            ranges: Vec::new(),
            writes: vec![KvWrite {
                at: at(),
                value: Some("1".into()),
            }],
        },
        outbox: Vec::new(),
    };
    report.log = vec![Line {
        level: Level::Info,
        context: String::new(),
        message: "busy".into(),
    }];
    Box::pin(async { report })
}

#[tokio::test]
async fn effects_and_log_lines_are_stored_with_the_outcome() {
    let bench = Bench::acting(1, &[], |_| busy(Verdict::Done));
    bench.add(key(), settings()).await;
    bench.commit(1, chat_push());
    let journal = bench.journal.clone();
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 1).await;
    assert_eq!(outcomes[0].effects.counters.len(), 1);
    assert_eq!(outcomes[0].log[0].message, "busy");
    assert_eq!(journal.number(&at()), 1);
}

#[tokio::test]
async fn a_failed_attempt_keeps_only_what_it_read() {
    let verdict = Verdict::Reject {
        reason: "no".into(),
    };
    let bench = Bench::acting(1, &[], move |_| busy(verdict.clone()));
    bench.add(key(), settings()).await;
    bench.commit(1, chat_push());
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 1).await;
    let effects = &outcomes[0].effects;
    assert!(effects.counters.is_empty() && effects.kv.writes.is_empty());
    assert_eq!(effects.kv.reads.len(), 1);
}

#[tokio::test]
async fn what_does_not_fit_the_quota_is_a_failed_attempt_without_effects() {
    let bench = Bench::acting(1, &[Takes::Quota], |attempt: Attempt| {
        assert!(!attempt.manual);
        busy(Verdict::Done)
    });
    bench.add(key(), settings()).await;
    bench.commit(1, chat_push());
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 1).await;
    let failed = &outcomes[0];
    let Next::Retry { reason, .. } = &failed.next else {
        panic!("it is tried again: {failed:?}");
    };
    assert_eq!(reason, "too much is kept");
    assert_eq!((failed.attempts, failed.traps), (1, 1));
    assert!(failed.effects.is_empty());
    assert_eq!(failed.log.len(), 1);
    assert_eq!((outcomes[1].attempts, &outcomes[1].next), (2, &Next::Done));
}

#[tokio::test]
async fn large_effects_keep_their_slot_until_they_are_stored() {
    let bench = Bench::acting(2, &[Takes::Never], |attempt| {
        if attempt.delivery == DeliveryId(1) {
            let mut report = report(Verdict::Done);
            report.effects.kv.writes = vec![KvWrite {
                at: at(),
                value: Some(vec![0; 1 << 20].into()),
            }];
            return Box::pin(async { report });
        }
        Box::pin(async { report(Verdict::Done) })
    });
    let other = key_of("other");
    bench.add(key(), settings()).await;
    bench.add(other.clone(), settings()).await;
    bench.commit(1, chat_push());
    bench.commit(2, chat_push());
    bench.journal.took_the_first().await;
    for delivery in 3..=8 {
        bench.commit_for(&other, delivery, None, chat_push());
    }
    let outcomes = bench.journal.outcomes(|outcomes| outcomes.len() >= 6).await;
    let of_the_other = |finish: &Finish| finish.delivery.0 >= 3;
    assert!(outcomes.iter().all(of_the_other), "{outcomes:?}");
}
