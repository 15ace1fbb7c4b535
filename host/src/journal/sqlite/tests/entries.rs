//! Key-value: kept with the outcome (guarantee 2).

use super::*;
use crate::journal::{JournalError, KV_PAGE, KeyValue as _};
use crate::types::effects::KvVersion;

/// An entry of bucket `b` of plugin `a`.
pub(super) async fn value(journal: &SqliteJournal, key: &str) -> Option<(String, KvVersion)> {
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
