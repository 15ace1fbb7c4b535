//! What is old goes; what waits stays.

use super::*;
use crate::journal::{DeliveryFilter, DeliveryState};

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
