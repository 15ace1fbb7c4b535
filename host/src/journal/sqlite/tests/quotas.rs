//! A plugin's share: what doesn't fit is refused, and nothing of it is stored.

use super::*;
use crate::journal::{JournalError, KeyValue as _};
use crate::types::effects::CounterAdd;

fn counting(delivery: DeliveryId, names: &[&str]) -> Finish {
    let mut finish = outcome(delivery, Next::Done);
    finish.effects.counters = names
        .iter()
        .map(|name| CounterAdd {
            name: (*name).into(),
            delta: 1,
        })
        .collect();
    finish
}

async fn refusal(journal: &SqliteJournal, finish: Finish) -> String {
    match journal.finish(finish).await {
        Err(JournalError::Quota(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn entries_beyond_the_quota_are_refused_with_all_that_came_with_them() {
    let bench = Bench::with(JournalOptions {
        kv_quota: 100,
        ..JournalOptions::default()
    });
    let journal = journal_with(&bench, 4).await;
    let ids = bench.deliveries();
    let value = |bytes: usize| "v".repeat(bytes);
    // Two bytes of each entry are its key and its bucket's name.
    let fits = vec![put("x", &value(48)), put("y", &value(48))];
    journal
        .finish(writing(ids[0], fits))
        .await
        .expect("finished");

    let mut finish = counting(ids[1], &["seen"]);
    finish.effects.kv.writes = vec![put("x", "small"), put("y", &value(92))];
    finish.effects.outbox = vec![request("https://example.com/")];
    let text = refusal(&journal, finish.clone()).await;
    assert!(text.contains("101 bytes") && text.contains("100"), "{text}");
    let snapshot = journal.kv_open(&plugin("a")).await.expect("read");
    assert_eq!((snapshot.version.0, snapshot.used), (1, 100));
    assert!(
        journal
            .counters(plugin("a"))
            .await
            .expect("read")
            .is_empty()
    );
    let counts = journal.counts().await.expect("read");
    assert_eq!((counts.pending, counts.outbox_pending), (3, 0));

    finish.effects.kv.writes = vec![put("x", "small"), put("y", &value(91))];
    journal.finish(finish).await.expect("it fits");
    journal.close().await;

    // A smaller quota since: less is stored, more is not.
    let bench = Bench {
        options: JournalOptions {
            kv_quota: 10,
            ..JournalOptions::default()
        },
        ..bench
    };
    let journal = bench.open();
    refusal(&journal, writing(ids[2], vec![put("x", "larger")])).await;
    journal
        .finish(writing(ids[2], vec![put("x", "less")]))
        .await
        .expect("it shrinks");
    journal
        .finish(writing(ids[3], vec![delete("x"), delete("y")]))
        .await
        .expect("it shrinks");
    assert_eq!(journal.kv_open(&plugin("a")).await.expect("read").used, 0);
    journal.close().await;
}

#[tokio::test]
async fn counters_beyond_the_quota_are_refused_and_known_ones_go_on() {
    let bench = Bench::with(JournalOptions {
        counters_quota: 3,
        ..JournalOptions::default()
    });
    let journal = journal_with(&bench, 4).await;
    let ids = bench.deliveries();
    journal
        .finish(counting(ids[0], &["a", "b", "a"]))
        .await
        .expect("finished");
    let text = refusal(&journal, counting(ids[1], &["a", "c", "d"])).await;
    assert!(text.contains("4 counters") && text.contains('3'), "{text}");
    journal
        .finish(counting(ids[1], &["c"]))
        .await
        .expect("finished");
    journal.close().await;
    let journal = bench.open();
    refusal(&journal, counting(ids[2], &["d"])).await;
    journal
        .finish(counting(ids[2], &["a", "b", "c"]))
        .await
        .expect("finished");
    let counters = journal.counters(plugin("a")).await.expect("read");
    let sums: Vec<_> = counters
        .iter()
        .map(|one| (one.name.as_str(), one.value))
        .collect();
    assert_eq!(sums, [("a", 3), ("b", 2), ("c", 2)]);
    journal.close().await;
}
