//! Key-value: kept only while what was read is still so (guarantee 2).

use super::entries::value;
use super::*;
use crate::journal::JournalError;
use crate::types::effects::{KvRange, KvVersion};

/// A handled delivery that read a key and wrote it.
async fn changing(journal: &SqliteJournal, delivery: DeliveryId, key: &str) -> Finish {
    let found = value(journal, key).await.map(|(_, version)| version);
    let mut finish = writing(delivery, vec![put(key, "changed")]);
    finish.effects.kv.reads = vec![(kv_key("b", key), found)];
    finish
}

fn listing(
    delivery: DeliveryId,
    after: Option<&str>,
    through: Option<&str>,
    keys: &[&str],
) -> Finish {
    let mut finish = outcome(delivery, Next::Done);
    finish.effects.kv.ranges = vec![KvRange {
        bucket: "b".into(),
        after: after.map(str::to_owned),
        through: through.map(str::to_owned),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    }];
    finish
}

/// Where an outcome conflicted; `None` if it was stored.
async fn conflict(journal: &SqliteJournal, finish: Finish) -> Option<String> {
    match journal.finish(finish).await {
        Ok(()) => None,
        Err(JournalError::Conflict { at }) => {
            assert_eq!(at.bucket, "b");
            Some(at.key)
        }
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn of_two_that_read_and_write_the_same_key_one_conflicts() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 4).await;
    let ids = bench.deliveries();
    for pair in ids.chunks(2) {
        let first = changing(&journal, pair[0], "k").await;
        let mut second = changing(&journal, pair[1], "k").await;
        second.effects.counters = vec![crate::types::effects::CounterAdd {
            name: "seen".into(),
            delta: 1,
        }];
        second.effects.outbox = vec![request("https://example.com/")];
        assert_eq!(conflict(&journal, first).await, None);
        assert_eq!(
            conflict(&journal, second.clone()).await.as_deref(),
            Some("k")
        );
        // Whatever came of an outdated read doesn't count either.
        for next in [dead(pair[1]).next, retry_at(pair[1], 1).next] {
            let finish = Finish {
                next,
                ..second.clone()
            };
            assert_eq!(conflict(&journal, finish).await.as_deref(), Some("k"));
        }
        let counts = journal.counts().await.expect("read");
        assert_eq!((counts.dead, counts.outbox_pending), (0, 0));
        assert!(
            journal
                .counters(plugin("a"))
                .await
                .expect("read")
                .is_empty()
        );
        // Made again, it is stored.
        let again = changing(&journal, pair[1], "k").await;
        assert_eq!(conflict(&journal, again).await, None);
    }
    journal.close().await;
}

#[tokio::test]
async fn a_miss_conflicts_with_whoever_filled_it() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 3).await;
    let ids = bench.deliveries();
    let late = changing(&journal, ids[0], "k").await;
    journal
        .finish(writing(ids[1], vec![put("k", "1")]))
        .await
        .expect("finished");
    assert_eq!(conflict(&journal, late.clone()).await.as_deref(), Some("k"));
    // It is missing again, so the miss holds.
    journal
        .finish(writing(ids[2], vec![delete("k")]))
        .await
        .expect("finished");
    assert_eq!(conflict(&journal, late).await, None);
    journal.close().await;
}

#[tokio::test]
async fn a_listed_range_conflicts_with_keys_that_come_or_go_and_not_with_values() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 12).await;
    let mut ids = bench.deliveries().into_iter();
    let mut id = || ids.next().expect("one more");
    let first = writing(id(), ["a", "c", "e", "g"].map(|key| put(key, "1")).into());
    journal.finish(first).await.expect("finished");
    let whole = id();
    let all = || listing(whole, None, None, &["a", "c", "e", "g"]);
    let part = id();
    let some = || listing(part, Some("a"), Some("e"), &["c", "e"]);

    journal
        .finish(writing(id(), vec![put("c", "2"), put("g", "2")]))
        .await
        .expect("finished");
    let (other, part_of_other) = (
        listing(id(), None, None, &["a", "c", "e", "g"]),
        listing(id(), Some("a"), Some("e"), &["c", "e"]),
    );
    assert_eq!(conflict(&journal, other).await, None, "values may change");
    assert_eq!(conflict(&journal, part_of_other).await, None);

    // Outside the part, at both of its ends.
    journal
        .finish(writing(id(), vec![put("f", "1"), put("Z", "1")]))
        .await
        .expect("finished");
    assert_eq!(conflict(&journal, all()).await.as_deref(), Some("Z"));
    let part_of_other = listing(id(), Some("a"), Some("e"), &["c", "e"]);
    assert_eq!(conflict(&journal, part_of_other).await, None);

    journal
        .finish(writing(id(), vec![put("d", "1")]))
        .await
        .expect("finished");
    assert_eq!(conflict(&journal, some()).await.as_deref(), Some("d"));
    journal
        .finish(writing(id(), vec![delete("d"), delete("e")]))
        .await
        .expect("finished");
    assert_eq!(conflict(&journal, some()).await.as_deref(), Some("e"));
    journal
        .finish(writing(id(), vec![delete("Z"), put("e", "1"), delete("f")]))
        .await
        .expect("finished");
    assert_eq!(
        conflict(&journal, some()).await,
        None,
        "all is as it was listed"
    );
    assert_eq!(conflict(&journal, all()).await, None);
    journal.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn increments_of_many_tasks_add_up() {
    const TASKS: usize = 8;
    const EACH: usize = 25;
    let bench = Bench::new();
    let journal = Arc::new(journal_with(&bench, TASKS * EACH).await);
    let tasks: Vec<_> = bench
        .deliveries()
        .chunks(EACH)
        .map(|own| {
            let (journal, own) = (Arc::clone(&journal), own.to_vec());
            tokio::spawn(async move {
                for delivery in own {
                    loop {
                        let found = value(&journal, "n").await;
                        let (n, version) = match &found {
                            Some((text, version)) => {
                                (text.parse().expect("a number"), Some(*version))
                            }
                            None => (0_usize, None),
                        };
                        let mut finish = writing(delivery, vec![put("n", &(n + 1).to_string())]);
                        finish.effects.kv.reads = vec![(kv_key("b", "n"), version)];
                        if conflict(&journal, finish).await.is_none() {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let (sum, version) = value(&journal, "n").await.expect("there");
    assert_eq!(sum, (TASKS * EACH).to_string());
    assert_eq!(
        version,
        KvVersion(200),
        "a version for each that was stored"
    );
    journal.close().await;
}
