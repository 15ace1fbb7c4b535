//! Key-value: kept with the outcome, and only while what was read is still so
//! (guarantee 2).

use super::*;
use crate::journal::{JournalError, KV_PAGE, KeyValue as _};
use crate::types::effects::{KvRange, KvVersion};

async fn value(journal: &SqliteJournal, key: &str) -> Option<(String, KvVersion)> {
    let mut found = journal
        .kv_get(&plugin("a"), "b", vec![key.into()])
        .await
        .expect("read");
    let entry = found.pop().expect("one answer")?;
    let text = String::from_utf8(entry.value.to_vec()).expect("text");
    Some((text, entry.version))
}

async fn keys(journal: &SqliteJournal, after: Option<&str>) -> Vec<String> {
    let page = journal
        .kv_list(&plugin("a"), "b", after.map(str::to_owned))
        .await
        .expect("read");
    page.keys.into_iter().map(|(key, _)| key).collect()
}

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
async fn entries_are_there_with_the_outcome_and_after_a_restart() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 3).await;
    let ids = bench.deliveries();
    let before = journal.kv_open(&plugin("a")).await.expect("read");
    assert_eq!((before.version, before.used), (KvVersion(0), 0));
    let writes = vec![
        put("z", ""),
        put("", "empty"),
        put("é", "12"),
        put("B", "1"),
    ];
    journal
        .finish(writing(ids[0], writes))
        .await
        .expect("finished");
    let after = journal.kv_open(&plugin("a")).await.expect("read");
    assert_eq!(after.version, KvVersion(1));
    // Values, keys, and the bucket's name with each.
    assert_eq!(after.used, 8 + 4 + 4);
    journal.close().await;

    let journal = bench.open();
    assert_eq!(journal.kv_open(&plugin("a")).await.expect("read"), after);
    assert_eq!(
        value(&journal, "é").await,
        Some(("12".into(), KvVersion(1)))
    );
    assert_eq!(
        value(&journal, "z").await,
        Some((String::new(), KvVersion(1)))
    );
    assert_eq!(value(&journal, "none").await, None);
    assert_eq!(keys(&journal, None).await, ["", "B", "z", "é"], "by bytes");
    assert_eq!(keys(&journal, Some("B")).await, ["z", "é"]);
    assert_eq!(keys(&journal, Some("")).await, ["B", "z", "é"]);
    let several = journal
        .kv_get(&plugin("a"), "b", vec!["B".into(), "no".into(), "é".into()])
        .await
        .expect("read");
    assert_eq!(
        several.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, false, true]
    );

    // Each finish has a version of its own, also if all it does is delete.
    let all = vec![delete("z"), delete(""), delete("é"), delete("none")];
    journal
        .finish(writing(ids[1], all))
        .await
        .expect("finished");
    journal
        .finish(writing(ids[2], vec![put("B", "22")]))
        .await
        .expect("finished");
    assert_eq!(keys(&journal, None).await, ["B"]);
    assert_eq!(
        value(&journal, "B").await,
        Some(("22".into(), KvVersion(3)))
    );
    assert_eq!(journal.kv_open(&plugin("a")).await.expect("read").used, 4);
    journal.close().await;
}

#[tokio::test]
async fn plugins_and_buckets_have_entries_of_their_own() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    journal
        .install(everything("other"))
        .await
        .expect("installed");
    let finish = writing(bench.deliveries()[0], vec![put("k", "v")]);
    journal.finish(finish).await.expect("finished");
    for (name, bucket, there) in [
        ("a", "b", true),
        ("a", "B", false),
        ("other", "b", false),
        ("unknown", "b", false),
    ] {
        let found = journal
            .kv_get(&plugin(name), bucket, vec!["k".into()])
            .await
            .expect("read");
        assert_eq!(found[0].is_some(), there, "{name} {bucket}");
        let page = journal
            .kv_list(&plugin(name), bucket, None)
            .await
            .expect("read");
        assert_eq!(page.keys.len(), usize::from(there), "{name} {bucket}");
    }
    let other = journal.kv_open(&plugin("other")).await.expect("read");
    assert_eq!((other.version, other.used), (KvVersion(1), 0));
    journal.close().await;
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

#[tokio::test]
async fn keys_come_in_pages() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 2).await;
    let ids = bench.deliveries();
    let all: Vec<String> = (0..KV_PAGE + 1).map(|n| format!("{n:05}")).collect();
    let writes = |keys: &[String]| keys.iter().map(|key| put(key, "v")).collect();
    journal
        .finish(writing(ids[0], writes(&all[..KV_PAGE])))
        .await
        .expect("finished");
    let page = journal
        .kv_list(&plugin("a"), "b", None)
        .await
        .expect("read");
    assert_eq!((page.keys.len(), page.more), (KV_PAGE, false));
    journal
        .finish(writing(ids[1], writes(&all[KV_PAGE..])))
        .await
        .expect("finished");
    let page = journal
        .kv_list(&plugin("a"), "b", None)
        .await
        .expect("read");
    assert_eq!((page.keys.len(), page.more), (KV_PAGE, true));
    let last = page.keys.last().map(|(key, _)| key.clone());
    let rest = journal
        .kv_list(&plugin("a"), "b", last)
        .await
        .expect("read");
    assert_eq!((rest.keys.len(), rest.more), (1, false));
    journal.close().await;
}

#[tokio::test]
async fn a_retry_keeps_nothing_and_the_attempt_after_it_all() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    let delivery = bench.deliveries()[0];
    let mut finish = retry_at(delivery, 1);
    finish.effects = writing(delivery, vec![put("k", "v")]).effects;
    finish.effects.outbox = vec![request("https://example.com/")];
    journal.finish(finish).await.expect("finished");
    assert_eq!(value(&journal, "k").await, None);
    assert_eq!(bench.queued(), 0);
    let second = Finish {
        attempts: 2,
        ..writing(delivery, vec![put("k", "v")])
    };
    journal.finish(second.clone()).await.expect("finished");
    let again = journal.finish(second).await;
    assert!(matches!(again, Err(JournalError::Superseded)));
    assert_eq!(value(&journal, "k").await, Some(("v".into(), KvVersion(1))));
    journal.close().await;
}
