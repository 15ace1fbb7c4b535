//! What is old goes; what waits stays.

use super::*;
use crate::journal::{
    DeliveryFilter, DeliveryState, Operate as _, Outbox as _, OutboxFinish, OutboxNext, Replay,
};
use crate::types::{EventSeq, OutboxId};

#[tokio::test]
async fn finished_events_go_and_waiting_ones_stay() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    // More than one step's worth.
    for n in 0..600 {
        store(&journal, at(&n.to_string(), later(n))).await;
    }
    let routed = bench.routed();
    for (n, one) in routed.iter().enumerate() {
        let next = match n % 3 {
            0 => Next::Done,
            1 => Next::Dead {
                reason: "no".into(),
            },
            _ => continue,
        };
        journal
            .finish(outcome(one.delivery, next))
            .await
            .expect("finished");
    }
    // 0..450 are old; a third of them waits.
    assert_eq!(
        journal
            .clean(received_since(later(450)))
            .await
            .expect("cleaned"),
        300
    );
    let counts = journal.counts().await.expect("read");
    assert_eq!(counts.events, 300);
    assert_eq!(counts.pending, 200);
    assert_eq!(counts.done, 50);
    assert_eq!(counts.dead, 50);
    let gone = journal.event(routed[0].event.event.id).await.expect("read");
    assert!(gone.is_none());
    let waits = journal.event(routed[2].event.event.id).await.expect("read");
    assert!(waits.is_some());
    let rows: i64 = bench
        .sql()
        .query_row("SELECT count(*) FROM delivery", [], |row| row.get(0))
        .expect("read");
    assert_eq!(rows, 300);
    assert_eq!(
        journal
            .clean(received_since(later(450)))
            .await
            .expect("cleaned"),
        0
    );
    journal.close().await;
}

#[tokio::test]
async fn events_of_a_clock_that_was_set_forward_do_not_hide_older_ones_behind_them() {
    let bench = Bench::new();
    let journal = bench.open();
    let now = UnixMicros::now();
    let day = Duration::from_secs(24 * 3600);
    // More than one step's worth.
    for n in 0..300 {
        store(&journal, at(&n.to_string(), now.after(day))).await;
    }
    store(&journal, at("old", now.before(day))).await;
    let removed = journal.clean(received_since(now)).await;
    assert_eq!(removed.expect("cleaned"), 1);
    journal.close().await;
}

#[tokio::test]
async fn parked_deliveries_die_after_their_time_and_not_before() {
    for (parked_for, dead) in [(Duration::from_secs(3600), 0), (Duration::ZERO, 700)] {
        let bench = Bench::with(JournalOptions {
            parked_for,
            ..JournalOptions::default()
        });
        let journal = bench.open();
        journal
            .install(everything("gone"))
            .await
            .expect("installed");
        journal
            .install(everything("here"))
            .await
            .expect("installed");
        // More than one step's worth.
        let bodies = (0..700).map(|n| journal.append(at(&n.to_string(), NOW)));
        let answers = futures_util::future::join_all(bodies).await;
        assert!(answers.iter().all(Result::is_ok));
        journal.uninstall(plugin("gone")).await.expect("removed");
        journal
            .clean(received_since(UnixMicros(0)))
            .await
            .expect("cleaned");
        let counts = journal.counts().await.expect("read");
        assert_eq!((counts.pending, counts.dead), (1400 - dead, dead));
        let filter = DeliveryFilter {
            state: Some(DeliveryState::Dead),
            ..DeliveryFilter::default()
        };
        for record in journal.deliveries(filter, 1000).await.expect("read") {
            assert_eq!(record.plugin, plugin("gone"));
            assert!(record.reason.expect("a reason").contains("removed"));
        }
        journal.close().await;
    }
}

#[tokio::test]
async fn space_goes_back_to_the_file_system() {
    let bench = Bench::new();
    let journal = bench.open();
    let body = "x".repeat(4000);
    let bodies = (0..3000).map(|n| journal.append(at(&format!("{n}{body}"), NOW)));
    let answers = futures_util::future::join_all(bodies).await;
    assert!(answers.iter().all(Result::is_ok));
    let pages = || -> i64 {
        bench
            .sql()
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .expect("read")
    };
    let before = pages();
    assert_eq!(
        journal
            .clean(received_since(later(1)))
            .await
            .expect("cleaned"),
        3000
    );
    let after = pages();
    assert!(after < before / 2, "{before} pages, then {after}");
    journal.close().await;
}

/// Events with a body of this many bytes, handled unless the filter says no.
async fn handled(
    journal: &SqliteJournal,
    bench: &Bench,
    events: usize,
    bytes: usize,
    wait: fn(usize) -> bool,
) {
    journal.install(everything("a")).await.expect("installed");
    let filler = "x".repeat(bytes);
    let bodies = (0..events).map(|n| journal.append(at(&format!("{n}{filler}"), NOW)));
    let answers = futures_util::future::join_all(bodies).await;
    assert!(answers.iter().all(Result::is_ok));
    let ids = bench.deliveries();
    let done = ids.iter().enumerate().filter(|(n, _)| !wait(*n));
    let finishes = done.map(|(_, id)| journal.finish(outcome(*id, Next::Done)));
    let answers = futures_util::future::join_all(finishes).await;
    assert!(answers.iter().all(Result::is_ok));
}

fn bytes(bytes: u64) -> Keep {
    Keep {
        since: UnixMicros(0),
        bytes: Some(bytes),
    }
}

fn used(bench: &Bench) -> u64 {
    let sql = bench.sql();
    let pragma = |name: &str| -> i64 {
        sql.pragma_query_value(None, name, |row| row.get(0))
            .expect("read")
    };
    let used = (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
    used.try_into().expect("a size")
}

#[tokio::test]
async fn the_oldest_go_until_the_store_is_small_enough() {
    let bench = Bench::new();
    let journal = bench.open();
    handled(&journal, &bench, 1500, 3000, |_| false).await;
    let full = used(&bench);
    assert_eq!(journal.clean(bytes(full)).await.expect("cleaned"), 0);
    let removed = journal.clean(bytes(full / 2)).await.expect("cleaned");
    assert!((600..=900).contains(&removed), "{removed} of 1500");
    assert!(used(&bench) <= full / 2);
    let left = journal.counts().await.expect("read");
    assert_eq!((left.events, left.done), (1500 - removed, 1500 - removed));
    let ids: Vec<_> = bench
        .routed()
        .iter()
        .map(|one| one.event.event.id)
        .collect();
    let removed = usize::try_from(removed).expect("a count");
    let there = async |n: usize| journal.event(ids[n]).await.expect("read").is_some();
    assert!(
        !there(removed - 1).await && there(removed).await,
        "the oldest"
    );
    journal.close().await;
}

#[tokio::test]
async fn what_waits_stays_however_large_the_store_is() {
    let bench = Bench::new();
    let journal = bench.open();
    handled(&journal, &bench, 900, 3000, |n| n < 300 || n % 2 == 0).await;
    assert_eq!(journal.clean(bytes(0)).await.expect("cleaned"), 300);
    let left = journal.counts().await.expect("read");
    assert_eq!((left.events, left.pending, left.done), (600, 600, 0));
    assert_eq!(journal.clean(bytes(0)).await.expect("it ends"), 0);
    journal.close().await;
}

#[tokio::test]
async fn an_event_goes_with_all_that_belongs_to_it() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    let first = bench.deliveries()[0];
    journal.finish(retry_at(first, 1)).await.expect("finished");
    let second = Finish {
        attempts: 2,
        ..wanting(first, &["https://example.com/"; 3])
    };
    journal.finish(second).await.expect("finished");
    let replay = Replay {
        plugin: plugin("a"),
        since: None,
        until: None,
        types: Vec::new(),
        after: EventSeq(0),
        through: None,
    };
    journal.replay(replay).await.expect("replayed");
    let page = journal.pending_manual(plugin("a"), DeliveryId(0), 9).await;
    let added = page.expect("read").deliveries[0].delivery;
    let removed = async || {
        let removed = journal.clean(received_since(later(1))).await;
        removed.expect("cleaned")
    };

    let sent = |id, next| OutboxFinish {
        id: OutboxId(id),
        attempts: 1,
        started_at: NOW,
        status: None,
        next,
    };
    let reason = || String::from("no");
    journal
        .outbox_finish(sent(1, OutboxNext::Sent))
        .await
        .expect("stored");
    journal
        .outbox_finish(sent(2, OutboxNext::Dead { reason: reason() }))
        .await
        .expect("stored");
    journal.finish(retry_at(added, 1)).await.expect("finished");
    assert_eq!(removed().await, 0, "a replayed delivery and a request wait");
    let last = Finish {
        attempts: 2,
        ..dead(added)
    };
    journal.finish(last).await.expect("finished");
    assert_eq!(removed().await, 0, "a request waits");
    assert_eq!((bench.rows("attempt"), bench.rows("outbox")), (2, 3));
    journal
        .outbox_finish(sent(3, OutboxNext::Dead { reason: reason() }))
        .await
        .expect("stored");
    assert_eq!(journal.counts().await.expect("read").outbox_dead, 2);
    assert_eq!(removed().await, 1);
    for table in ["event", "delivery", "attempt", "outbox"] {
        assert_eq!(bench.rows(table), 0, "{table}");
    }
    assert_eq!(
        journal.counts().await.expect("read"),
        crate::journal::Counts::default()
    );
    journal.close().await;
}

#[tokio::test]
async fn requests_and_manual_deliveries_of_a_removed_plugin_end_with_its_time() {
    let bench = Bench::with(JournalOptions {
        parked_for: Duration::ZERO,
        ..JournalOptions::default()
    });
    let journal = journal_with(&bench, 2).await;
    let ids = bench.deliveries();
    journal
        .finish(wanting(ids[0], &["https://example.com/"]))
        .await
        .expect("finished");
    journal.finish(dead(ids[1])).await.expect("finished");
    journal.retry(ids[1]).await.expect("an answer");
    journal.uninstall(plugin("a")).await.expect("removed");
    journal
        .clean(received_since(UnixMicros(0)))
        .await
        .expect("cleaned");
    let counts = journal.counts().await.expect("read");
    assert_eq!((counts.pending, counts.dead), (0, 1));
    assert_eq!((counts.outbox_pending, counts.outbox_dead), (0, 1));
    journal.close().await;
}

#[tokio::test]
async fn no_attempt_outlives_its_delivery() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 4).await;
    let ids = bench.deliveries();
    // Closed without an attempt after one; retried and done; run again by hand,
    // then done at once; the same, then closed without an attempt.
    for id in &ids[..2] {
        journal.finish(retry_at(*id, 1)).await.expect("finished");
    }
    journal.finish(dead(ids[0])).await.expect("finished");
    let second = Finish {
        attempts: 2,
        ..outcome(ids[1], Next::Done)
    };
    journal.finish(second).await.expect("finished");
    for id in &ids[2..] {
        journal.finish(dead(*id)).await.expect("finished");
        journal.retry(*id).await.expect("an answer");
    }
    journal
        .finish(outcome(ids[2], Next::Done))
        .await
        .expect("finished");
    let closed = Finish {
        attempts: 0,
        ..dead(ids[3])
    };
    journal.finish(closed).await.expect("finished");
    assert_eq!(bench.rows("attempt"), 4);
    let removed = journal.clean(received_since(later(1))).await;
    assert_eq!(removed.expect("cleaned"), 4);
    assert_eq!((bench.rows("attempt"), bench.rows("delivery")), (0, 0));
    journal.close().await;
}
