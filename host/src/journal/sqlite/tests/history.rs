//! Attempts: the latest and those before it.

use super::*;
use crate::journal::{AttemptRecord, DeliveryFilter, DeliveryState, Operate as _};
use crate::types::effects::LogEntry;

fn logged(text: &str) -> Vec<LogEntry> {
    vec![LogEntry {
        level: "info".into(),
        context: "stdout".into(),
        message: text.into(),
    }]
}

async fn attempts(journal: &SqliteJournal, delivery: DeliveryId) -> Vec<AttemptRecord> {
    let found = journal.attempts(delivery).await.expect("read");
    found.expect("there is such a delivery")
}

fn outline(attempts: &[AttemptRecord]) -> Vec<(u32, DeliveryState, Option<&str>)> {
    attempts
        .iter()
        .map(|one| (one.number, one.outcome, one.reason.as_deref()))
        .collect()
}

#[tokio::test]
async fn each_attempt_is_kept_with_its_log() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 2).await;
    let ids = bench.deliveries();
    assert!(
        journal
            .attempts(DeliveryId(4711))
            .await
            .expect("read")
            .is_none()
    );
    assert!(attempts(&journal, ids[0]).await.is_empty());
    let once = Finish {
        log: logged("at once"),
        ..outcome(ids[1], Next::Done)
    };
    journal.finish(once).await.expect("finished");
    assert_eq!(
        bench.rows("attempt"),
        0,
        "one attempt costs no row of its own"
    );
    assert_eq!(attempts(&journal, ids[1]).await[0].log, logged("at once"));

    for (number, log) in [(1, "first"), (2, "second")] {
        let finish = Finish {
            attempts: number,
            log: logged(log),
            started_at: later(number.into()),
            ..retry_at(ids[0], 10)
        };
        journal.finish(finish).await.expect("finished");
    }
    let last = Finish {
        attempts: 3,
        peak_memory: 7,
        ..outcome(ids[0], Next::Done)
    };
    journal.finish(last).await.expect("finished");
    journal.close().await;
    let journal = bench.open();
    let all = attempts(&journal, ids[0]).await;
    let (pending, why) = (DeliveryState::Pending, Some("not now"));
    assert_eq!(
        outline(&all),
        [
            (3, DeliveryState::Done, None),
            (2, pending, why),
            (1, pending, why)
        ]
    );
    assert_eq!(all[0].log, []);
    assert_eq!(all[0].peak_memory, 7);
    assert_eq!(all[1].log, logged("second"));
    assert_eq!(all[2].log, logged("first"));
    assert_eq!(all[2].started_at, later(1));
    assert_eq!((all[2].duration_us, all[2].cpu_us), (3000, 1000));
    journal.close().await;
}

#[tokio::test]
async fn what_ends_without_an_attempt_keeps_those_before() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 2).await;
    let ids = bench.deliveries();
    journal.finish(retry_at(ids[0], 1)).await.expect("finished");
    for (id, attempts) in [(ids[0], 1), (ids[1], 0)] {
        let closed = Finish {
            attempts,
            duration: Duration::ZERO,
            ..dead(id)
        };
        journal.finish(closed).await.expect("finished");
    }
    let found = attempts(&journal, ids[0]).await;
    assert_eq!(
        outline(&found),
        [(1, DeliveryState::Pending, Some("not now"))]
    );
    assert!(attempts(&journal, ids[1]).await.is_empty());
    let all = journal
        .deliveries(DeliveryFilter::default(), 9)
        .await
        .expect("read");
    for record in all {
        assert_eq!(record.state, DeliveryState::Dead);
        assert_eq!(record.reason.as_deref(), Some("no"));
        assert_eq!(record.duration_us, None);
    }
    journal.close().await;
}

#[tokio::test]
async fn the_latest_hundred_are_kept() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    let delivery = bench.deliveries()[0];
    for attempts in 1..=120 {
        let finish = Finish {
            attempts,
            ..retry_at(delivery, 1)
        };
        journal.finish(finish).await.expect("finished");
    }
    let numbers: Vec<_> = attempts(&journal, delivery)
        .await
        .iter()
        .map(|one| one.number)
        .collect();
    assert_eq!(numbers, (21..=120).rev().collect::<Vec<_>>());
    journal.close().await;
}

#[tokio::test]
async fn run_again_by_hand_it_begins_anew_with_its_past() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    let delivery = bench.deliveries()[0];
    journal
        .finish(retry_at(delivery, 1))
        .await
        .expect("finished");
    let second = Finish {
        attempts: 2,
        ..dead(delivery)
    };
    journal.finish(second).await.expect("finished");
    journal.retry(delivery).await.expect("an answer");
    let before = [
        (2, DeliveryState::Dead, Some("no")),
        (1, DeliveryState::Pending, Some("not now")),
    ];
    assert_eq!(outline(&attempts(&journal, delivery).await), before);
    journal
        .finish(outcome(delivery, Next::Done))
        .await
        .expect("finished");
    let all = attempts(&journal, delivery).await;
    assert_eq!(outline(&all)[0], (1, DeliveryState::Done, None));
    assert_eq!(outline(&all)[1..], before);
    journal.close().await;
}
