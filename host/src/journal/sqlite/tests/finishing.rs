//! Outcomes and effects: once, together (guarantee 2).

use super::*;
use crate::journal::{Counter, DeliveryFilter, DeliveryState, JournalError};
use crate::types::effects::CounterAdd;

fn counting(delivery: DeliveryId, delta: i64) -> Finish {
    let mut finish = outcome(delivery, Next::Done);
    finish.effects.counters = vec![CounterAdd {
        name: "seen".into(),
        delta,
    }];
    finish
}

async fn seen(journal: &SqliteJournal) -> i64 {
    let counters = journal.counters(plugin("a")).await.expect("read");
    match &counters[..] {
        [] => 0,
        [Counter { name, value }] if name == "seen" => *value,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_outcome_counts_once() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 2).await;
    let first = bench.routed()[0].delivery;
    journal.finish(counting(first, 5)).await.expect("finished");
    let again = journal.finish(counting(first, 5)).await;
    assert!(matches!(again, Err(JournalError::Superseded)));
    assert_eq!(seen(&journal).await, 5);
    journal.close().await;

    let journal = bench.open();
    let again = journal.finish(counting(first, 5)).await;
    assert!(matches!(again, Err(JournalError::Superseded)));
    let nowhere = journal.finish(counting(DeliveryId(4711), 5)).await;
    assert!(matches!(nowhere, Err(JournalError::Superseded)));
    assert_eq!(seen(&journal).await, 5);
    let page = journal
        .pending(plugin("a"), DeliveryId(0), 10)
        .await
        .expect("read")
        .deliveries;
    assert_eq!(page.len(), 1);
    assert_ne!(page[0].delivery, first);
    journal.close().await;
}

#[tokio::test]
async fn of_many_outcomes_in_one_commit_one_counts() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    let delivery = bench.routed()[0].delivery;
    let finishes = (0..50).map(|_| journal.finish(counting(delivery, 1)));
    let answers = futures_util::future::join_all(finishes).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(seen(&journal).await, 1);
    journal.close().await;
}

#[tokio::test]
async fn sums_stop_at_the_ends_of_the_range() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 2).await;
    for routed in bench.routed() {
        journal
            .finish(counting(routed.delivery, i64::MAX))
            .await
            .expect("finished");
    }
    assert_eq!(seen(&journal).await, i64::MAX);
    journal.close().await;
}

#[tokio::test]
async fn a_retry_stays_pending_and_knows_its_past() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    let delivery = bench.routed()[0].delivery;
    for attempts in [1, 2] {
        let next = Next::Retry {
            due_at: later(attempts.into()),
            reason: "not now".into(),
        };
        let finish = Finish {
            attempts,
            traps: attempts - 1,
            ..outcome(delivery, next)
        };
        journal.finish(finish).await.expect("finished");
    }
    journal.close().await;
    let journal = bench.open();
    let page = journal
        .pending(plugin("a"), DeliveryId(0), 10)
        .await
        .expect("read")
        .deliveries;
    assert_eq!(page[0].failed_attempts, 2);
    assert_eq!(page[0].traps, 1);
    assert_eq!(page[0].due_at, Some(later(2)));
    journal.close().await;
}

#[tokio::test]
async fn a_retry_that_is_stored_twice_counts_once() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    let delivery = bench.routed()[0].delivery;
    let retry = |seconds| {
        let due_at = later(seconds);
        let reason = "not now".into();
        outcome(delivery, Next::Retry { due_at, reason })
    };
    journal.finish(retry(1)).await.expect("finished");
    // What dispatch does when the disk did not confirm the first.
    journal.finish(retry(1)).await.expect("stored already");
    // A repetition that comes late changes nothing either.
    let second = Finish {
        attempts: 2,
        ..retry(2)
    };
    journal.finish(second).await.expect("finished");
    journal.finish(retry(1)).await.expect("stored already");
    let page = journal
        .pending(plugin("a"), DeliveryId(0), 10)
        .await
        .expect("read");
    assert_eq!(page.deliveries[0].failed_attempts, 2);
    assert_eq!(page.deliveries[0].due_at, Some(later(2)));
    assert_eq!(journal.counts().await.expect("read").pending, 1);
    journal.close().await;
}

#[tokio::test]
async fn states_are_listed_and_counted() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 4).await;
    journal.install(everything("b")).await.expect("installed");
    store(&journal, at("for both", NOW)).await;
    let ids: Vec<_> = bench.routed().iter().map(|one| one.delivery).collect();
    let reason = "data.role: not a string";
    let ends = [
        Next::Done,
        Next::Ignored {
            reason: "no handler".into(),
        },
        Next::Dead {
            reason: reason.into(),
        },
    ];
    for (id, next) in ids.iter().zip(ends) {
        let attempts = u32::from(!matches!(next, Next::Ignored { .. }));
        let finish = Finish {
            attempts,
            ..outcome(*id, next)
        };
        journal.finish(finish).await.expect("finished");
    }
    let counts = journal.counts().await.expect("read");
    assert_eq!(
        (
            counts.events,
            counts.pending,
            counts.done,
            counts.ignored,
            counts.dead
        ),
        (5, 3, 1, 1, 1)
    );
    let list = async |filter: DeliveryFilter, limit| {
        journal.deliveries(filter, limit).await.expect("read")
    };
    let ids_of = |found: &[crate::journal::DeliveryRecord]| -> Vec<_> {
        found.iter().map(|record| record.id).collect()
    };
    let all = list(DeliveryFilter::default(), 100).await;
    let newest_first: Vec<_> = ids.iter().rev().copied().collect();
    assert_eq!(ids_of(&all), newest_first);
    assert_eq!(all.len(), 6);
    let two = list(DeliveryFilter::default(), 2).await;
    assert_eq!(ids_of(&two), newest_first[..2]);

    let state = |state| DeliveryFilter {
        state: Some(state),
        ..DeliveryFilter::default()
    };
    let dead = list(state(DeliveryState::Dead), 9).await;
    assert_eq!(ids_of(&dead), [ids[2]]);
    assert_eq!(dead[0].reason.as_deref(), Some(reason));
    assert_eq!(dead[0].attempts, 1);
    assert_eq!(dead[0].duration_us, Some(3000));
    assert_eq!(dead[0].cpu_us, Some(1000));
    assert_eq!(dead[0].peak_memory, Some(65_536));
    assert_eq!(dead[0].event, bench.routed()[2].event.event.id);
    let ignored = list(state(DeliveryState::Ignored), 9).await;
    assert_eq!(ids_of(&ignored), [ids[1]]);
    assert_eq!(ignored[0].attempts, 0);
    let pending = list(state(DeliveryState::Pending), 9).await;
    assert_eq!(ids_of(&pending), [ids[5], ids[4], ids[3]]);

    let of_event = DeliveryFilter {
        event: Some(bench.routed()[5].event.event.id),
        ..DeliveryFilter::default()
    };
    assert_eq!(ids_of(&list(of_event.clone(), 9).await), [ids[5], ids[4]]);
    let of_both = DeliveryFilter {
        plugin: Some(plugin("b")),
        ..of_event
    };
    let found = list(of_both, 9).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].plugin, plugin("b"));
    journal.close().await;
    let journal = bench.open();
    assert_eq!(journal.counts().await.expect("read"), counts);
    journal.close().await;
}
