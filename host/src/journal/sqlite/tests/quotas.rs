//! A plugin's share: what doesn't fit is refused, and nothing of it is stored.

use super::*;
use crate::journal::{JournalError, KeyValue as _, Outbox as _, OutboxFinish, OutboxNext};
use crate::types::OutboxId;
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

#[tokio::test]
async fn requests_that_are_not_sent_count_until_they_are_or_go_with_their_event() {
    let bench = Bench::with(JournalOptions {
        outbox_quota: 5000,
        ..JournalOptions::default()
    });
    let journal = journal_with(&bench, 5).await;
    let ids = bench.deliveries();
    let large = |delivery| {
        let mut finish = wanting(delivery, &["https://example.com/"]);
        finish.effects.outbox[0].body = Bytes::from(vec![b' '; 1500]);
        finish
    };
    let ended = |id, next| OutboxFinish {
        id: OutboxId(id),
        attempts: 1,
        started_at: NOW,
        status: None,
        next,
    };
    for id in &ids[..2] {
        journal.finish(large(*id)).await.expect("it fits");
    }
    let text = refusal(&journal, large(ids[2])).await;
    assert!(text.contains("quota of 5000"), "{text}");
    assert_eq!(journal.counts().await.expect("read").outbox_pending, 2);

    let sent = ended(1, OutboxNext::Sent);
    journal.outbox_finish(sent).await.expect("stored");
    journal.finish(large(ids[2])).await.expect("there is room");
    let reason = "no".into();
    let dead = ended(2, OutboxNext::Dead { reason });
    journal.outbox_finish(dead).await.expect("stored");
    refusal(&journal, large(ids[3])).await;

    let removed = journal.clean(received_since(later(1))).await;
    assert_eq!(removed.expect("cleaned"), 2, "that of the third waits");
    journal.finish(large(ids[3])).await.expect("there is room");
    journal
        .finish(counting(ids[4], &["seen"]))
        .await
        .expect("without requests there is no quota to keep");
    for id in 3..=4 {
        let sent = ended(id, OutboxNext::Sent);
        journal.outbox_finish(sent).await.expect("stored");
    }
    let left: i64 = bench
        .sql()
        .query_row("SELECT outbox_bytes FROM plugin", [], |row| row.get(0))
        .expect("read");
    assert_eq!(left, 0);
    journal.close().await;
}
