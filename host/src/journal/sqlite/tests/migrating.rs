//! Files of earlier versions.

use rusqlite::params;

use super::*;
use crate::journal::{DeliveryFilter, DeliveryState, KeyValue as _, Operate as _, Retried};
use crate::types::effects::CounterAdd;

/// The file as the first version left it, with a plugin that has a delivery in
/// each state and a counter.
fn first_version(bench: &Bench, ids: &[EventId]) {
    let sql = bench.sql();
    sql.pragma_update(None, "auto_vacuum", "INCREMENTAL")
        .expect("set");
    sql.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
        .expect("set");
    sql.execute_batch(include_str!("../schema_1.sql"))
        .expect("the schema");
    sql.pragma_update(None, "application_id", 0x686b_6278)
        .expect("set");
    sql.pragma_update(None, "user_version", 1).expect("set");
    sql.execute_batch(
        "INSERT INTO endpoint VALUES (1, 'default');
         INSERT INTO plugin VALUES (1, 1, 'a', '{\"handlers\":null,\"types\":null,\"agents\":null}', 5, NULL);
         INSERT INTO counter VALUES (1, 'seen', 41);
         UPDATE totals SET events = 4, pending = 1, done = 1, ignored = 1, dead = 1,
           next_event = 5, next_delivery = 5;",
    )
    .expect("rows");
    for (number, id) in (1_i64..).zip(ids) {
        sql.execute(
            "INSERT INTO event VALUES (?1, ?2, 1, 'x', NULL, 's', NULL, ?3, 0, ?1, 1, x'31')",
            params![number, &id.0.as_bytes()[..], NOW.0],
        )
        .expect("an event");
        sql.execute(
            "INSERT INTO delivery VALUES (?1, ?1, 1, ?2, 2, 1, NULL, ?3, 10, 20, 30, 'why')",
            params![number, number - 1, NOW.0],
        )
        .expect("a delivery");
    }
}

#[tokio::test]
async fn a_file_of_the_first_version_goes_on() {
    let bench = Bench::with(JournalOptions {
        counters_quota: 2,
        ..JournalOptions::default()
    });
    let ids: Vec<_> = (0..4).map(|_| EventId::generate()).collect();
    first_version(&bench, &ids);
    let journal = bench.open();
    assert_eq!(journal.installed().await.expect("read"), [everything("a")]);
    let counts = journal.counts().await.expect("read");
    assert_eq!(
        (
            counts.events,
            counts.pending,
            counts.done,
            counts.ignored,
            counts.dead
        ),
        (4, 1, 1, 1, 1)
    );
    assert_eq!((counts.outbox_pending, counts.outbox_dead), (0, 0));

    let page = journal
        .pending(plugin("a"), DeliveryId(0), 9)
        .await
        .expect("read");
    assert_eq!(page.deliveries.len(), 1);
    assert_eq!(page.deliveries[0].event.event.id, ids[0]);
    assert_eq!(page.deliveries[0].failed_attempts, 2);
    let of = |state| DeliveryFilter {
        state: Some(state),
        ..DeliveryFilter::default()
    };
    let waiting = journal
        .deliveries(of(DeliveryState::Pending), 9)
        .await
        .expect("read");
    assert_eq!(waiting.len(), 1);
    assert!(!waiting[0].manual);

    // What the first version could not do.
    let mut finish = writing(DeliveryId(1), vec![put("k", "v")]);
    finish.attempts = 3;
    finish.effects.outbox = vec![request("https://example.com/")];
    finish.effects.counters = vec![CounterAdd {
        name: "seen".into(),
        delta: 1,
    }];
    journal.finish(finish).await.expect("finished");
    assert_eq!(journal.kv_open(&plugin("a")).await.expect("read").used, 3);
    assert_eq!(
        journal.counters(plugin("a")).await.expect("read")[0].value,
        42
    );
    let attempts = journal
        .attempts(DeliveryId(1))
        .await
        .expect("read")
        .expect("there");
    assert_eq!(
        attempts.iter().map(|one| one.number).collect::<Vec<_>>(),
        [3, 2]
    );
    assert_eq!(
        journal.retry(DeliveryId(4)).await.expect("an answer"),
        Retried::Pending
    );
    let manual = journal
        .pending_manual(plugin("a"), DeliveryId(0), 9)
        .await
        .expect("read");
    assert_eq!(manual.deliveries[0].delivery, DeliveryId(4));
    // The counters of then count: one more fits, two don't.
    let mut two = outcome(DeliveryId(4), Next::Done);
    two.effects.counters = ["x", "y"]
        .map(|name| CounterAdd {
            name: name.into(),
            delta: 1,
        })
        .into();
    assert!(journal.finish(two.clone()).await.is_err());
    two.effects.counters.pop();
    journal.finish(two).await.expect("finished");
    store(&journal, at("new", NOW)).await;
    assert_eq!(bench.deliveries(), [DeliveryId(5)]);
    journal.close().await;
    bench.open().close().await;
}
