//! The outbox: queued with the outcome, sent afterwards (guarantee 2).

use super::*;
use crate::journal::{
    JournalError, Operate as _, Outbox as _, OutboxFilter, OutboxFinish, OutboxNext, OutboxRecord,
    OutboxState, Retried,
};
use crate::types::OutboxId;

fn sent(id: OutboxId) -> OutboxFinish {
    OutboxFinish {
        id,
        attempts: 1,
        started_at: NOW,
        status: Some(204),
        next: OutboxNext::Sent,
    }
}

fn given_up(id: OutboxId) -> OutboxFinish {
    OutboxFinish {
        status: Some(500),
        next: OutboxNext::Dead {
            reason: "it said 500".into(),
        },
        ..sent(id)
    }
}

fn put_off(id: OutboxId, due_at: UnixMicros) -> OutboxFinish {
    OutboxFinish {
        status: None,
        next: OutboxNext::Retry {
            due_at,
            reason: "no answer".into(),
        },
        ..sent(id)
    }
}

async fn list(journal: &SqliteJournal, filter: OutboxFilter) -> Vec<OutboxRecord> {
    journal.outbox(filter, 100).await.expect("read")
}

async fn ids(journal: &SqliteJournal, filter: OutboxFilter) -> Vec<i64> {
    list(journal, filter)
        .await
        .iter()
        .map(|one| one.id.0)
        .collect()
}

/// The ids of what is due, and when the next one is.
async fn due(
    journal: &SqliteJournal,
    now: UnixMicros,
    known: &[i64],
    limit: usize,
) -> (Vec<i64>, Option<UnixMicros>) {
    let known = known.iter().map(|id| OutboxId(*id)).collect();
    let page = journal.outbox_due(plugin("a"), now, known, limit).await;
    let page = page.expect("read");
    (
        page.requests.iter().map(|one| one.id.0).collect(),
        page.next_due,
    )
}

fn state(state: OutboxState) -> OutboxFilter {
    OutboxFilter {
        state: Some(state),
        ..OutboxFilter::default()
    }
}

#[tokio::test]
async fn requests_are_queued_once_with_the_outcome() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 2).await;
    let deliveries = bench.deliveries();
    assert!(journal.outbox_plugins().await.expect("read").is_empty());
    let urls = [
        "https://u:pw@one.example/secret",
        "http://two.example:8080/",
    ];
    let finish = wanting(deliveries[0], &urls);
    journal.finish(finish.clone()).await.expect("finished");
    let again = journal.finish(finish).await;
    assert!(matches!(again, Err(JournalError::Superseded)));
    assert_eq!(bench.queued(), 1);
    assert_eq!(journal.counts().await.expect("read").outbox_pending, 2);
    journal.close().await;

    let journal = bench.open();
    let plugins = journal.outbox_plugins().await.expect("read");
    assert_eq!(plugins.len(), 1);
    assert_eq!(plugins[0].0, plugin("a"));
    let page = journal
        .outbox_due(plugin("a"), UnixMicros::now(), Vec::new(), 9)
        .await
        .expect("read");
    assert_eq!(page.requests.len(), 2);
    assert_eq!(page.next_due, None);
    for (index, (one, url)) in page.requests.iter().zip(urls).enumerate() {
        assert_eq!(one.request, request(url));
        assert_eq!(one.index, u32::try_from(index).expect("small"));
        assert_eq!(one.delivery, deliveries[0]);
        assert_eq!(one.event, bench.routed()[0].event.event.id);
        assert_eq!(one.failed_attempts, 0);
        assert_eq!(one.queued_at, plugins[0].1, "due at once");
    }
    let listed = list(&journal, OutboxFilter::default()).await;
    let targets: Vec<_> = listed.iter().map(|one| one.target.as_str()).collect();
    assert_eq!(targets, ["http://two.example:8080", "https://one.example"]);
    let of_other = OutboxFilter {
        delivery: Some(deliveries[1]),
        ..OutboxFilter::default()
    };
    assert!(list(&journal, of_other).await.is_empty());
    journal.close().await;
}

#[tokio::test]
async fn the_longest_due_come_first_without_the_known_ones() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    let urls = ["https://example.com/"; 5];
    journal
        .finish(wanting(bench.deliveries()[0], &urls))
        .await
        .expect("finished");
    let now = UnixMicros::now();
    let soon = now.after(Duration::from_secs(60));
    journal
        .outbox_finish(put_off(OutboxId(1), now))
        .await
        .expect("stored");
    journal
        .outbox_finish(put_off(OutboxId(2), soon))
        .await
        .expect("stored");
    assert_eq!(
        due(&journal, now, &[], 9).await,
        (vec![3, 4, 5, 1], Some(soon))
    );
    assert_eq!(
        due(&journal, now, &[3, 5], 9).await,
        (vec![4, 1], Some(soon))
    );
    assert_eq!(due(&journal, now, &[3], 1).await.0, [4]);
    let (_, next) = due(&journal, now, &[3], 1).await;
    assert!(next.expect("there is more") <= now, "more are due");
    assert_eq!(
        due(&journal, now, &[1, 2, 3, 4, 5], 9).await,
        (vec![], None)
    );
    assert_eq!(due(&journal, soon, &[1, 3, 4, 5], 9).await, (vec![2], None));
    let page = journal
        .outbox_due(plugin("a"), soon, vec![], 9)
        .await
        .expect("read");
    assert_eq!(page.requests[4].failed_attempts, 1);
    journal.close().await;
}

#[tokio::test]
async fn a_request_ends_once_and_a_retry_counts_once() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    let urls = ["https://example.com/services/secret"; 3];
    journal
        .finish(wanting(bench.deliveries()[0], &urls))
        .await
        .expect("finished");
    // What the sender does when the disk did not confirm the first.
    for _ in 0..2 {
        journal
            .outbox_finish(put_off(OutboxId(1), later(1)))
            .await
            .expect("stored");
    }
    let second = OutboxFinish {
        attempts: 2,
        ..sent(OutboxId(1))
    };
    journal.outbox_finish(second.clone()).await.expect("stored");
    journal
        .outbox_finish(given_up(OutboxId(2)))
        .await
        .expect("stored");
    for late in [
        second,
        given_up(OutboxId(2)),
        put_off(OutboxId(1), NOW),
        sent(OutboxId(77)),
    ] {
        let answer = journal.outbox_finish(late).await;
        assert!(matches!(answer, Err(JournalError::Superseded)));
    }
    let counts = journal.counts().await.expect("read");
    assert_eq!((counts.outbox_pending, counts.outbox_dead), (1, 1));

    let listed = list(&journal, OutboxFilter::default()).await;
    let [waits, dead, done] = &listed[..] else {
        panic!("{listed:?}")
    };
    assert_eq!((waits.state, waits.attempts), (OutboxState::Pending, 0));
    assert_eq!((dead.state, dead.status), (OutboxState::Dead, Some(500)));
    assert_eq!(dead.reason.as_deref(), Some("it said 500"));
    assert_eq!(dead.due_at, None);
    assert_eq!(
        (done.state, done.attempts, done.status),
        (OutboxState::Sent, 2, Some(204))
    );
    assert_eq!(done.reason, None);
    for (wanted, of) in [
        (OutboxState::Pending, 3),
        (OutboxState::Dead, 2),
        (OutboxState::Sent, 1),
    ] {
        assert_eq!(ids(&journal, state(wanted)).await, [of]);
    }
    // Of what was sent, nothing is left that may be a secret.
    let kept: (String, String, Vec<u8>) = bench
        .sql()
        .query_row(
            "SELECT url, headers, body FROM outbox WHERE id = 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .expect("read");
    assert_eq!(kept, ("https://example.com".into(), "[]".into(), vec![]));
    journal.close().await;
    let journal = bench.open();
    assert_eq!(journal.counts().await.expect("read"), counts);
    journal.close().await;
}

#[tokio::test]
async fn a_dead_request_is_sent_again_by_hand_as_it_was() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    let url = "https://example.com/path";
    journal
        .finish(wanting(bench.deliveries()[0], &[url, url]))
        .await
        .expect("finished");
    journal
        .outbox_finish(given_up(OutboxId(1)))
        .await
        .expect("stored");
    journal
        .outbox_finish(sent(OutboxId(2)))
        .await
        .expect("stored");
    for (id, answer) in [
        (2, Retried::NotDead),
        (9, Retried::Unknown),
        (1, Retried::Pending),
        (1, Retried::NotDead),
    ] {
        assert_eq!(
            journal.outbox_retry(OutboxId(id)).await.expect("an answer"),
            answer,
            "{id}"
        );
    }
    assert_eq!(bench.queued(), 2);
    let counts = journal.counts().await.expect("read");
    assert_eq!((counts.outbox_pending, counts.outbox_dead), (1, 0));
    let page = journal
        .outbox_due(plugin("a"), UnixMicros::now(), vec![], 9)
        .await
        .expect("read");
    assert_eq!(page.requests.len(), 1);
    assert_eq!(page.requests[0].request, request(url));
    assert_eq!(page.requests[0].failed_attempts, 0);
    journal
        .outbox_finish(sent(OutboxId(1)))
        .await
        .expect("stored");
    journal.close().await;
}

#[tokio::test]
async fn requests_are_listed_by_plugin_delivery_and_page() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 1).await;
    journal.install(everything("c")).await.expect("installed");
    store(&journal, at("for both", NOW)).await;
    for delivery in bench.deliveries() {
        let urls = ["https://example.com/"; 2];
        journal
            .finish(wanting(delivery, &urls))
            .await
            .expect("finished");
    }
    for id in [1, 3, 5] {
        journal
            .outbox_finish(given_up(OutboxId(id)))
            .await
            .expect("stored");
    }
    let of = |name: &str| OutboxFilter {
        plugin: Some(plugin(name)),
        ..OutboxFilter::default()
    };
    assert_eq!(
        ids(&journal, OutboxFilter::default()).await,
        [6, 5, 4, 3, 2, 1]
    );
    assert_eq!(ids(&journal, of("c")).await, [6, 5]);
    assert_eq!(ids(&journal, of("unknown")).await, [0; 0]);
    assert_eq!(ids(&journal, state(OutboxState::Dead)).await, [5, 3, 1]);
    let older = OutboxFilter {
        before: Some(OutboxId(5)),
        ..state(OutboxState::Dead)
    };
    assert_eq!(ids(&journal, older).await, [3, 1]);
    let of_second = OutboxFilter {
        delivery: Some(bench.deliveries()[1]),
        ..OutboxFilter::default()
    };
    assert_eq!(ids(&journal, of_second.clone()).await, [4, 3]);
    let dead_of_second = OutboxFilter {
        state: Some(OutboxState::Dead),
        before: Some(OutboxId(4)),
        ..of_second
    };
    assert_eq!(ids(&journal, dead_of_second).await, [3]);
    let two = journal.outbox(of("a"), 2).await.expect("read");
    assert_eq!(two.iter().map(|one| one.id.0).collect::<Vec<_>>(), [4, 3]);
    assert_eq!(journal.outbox_plugins().await.expect("read").len(), 2);
    journal.close().await;
}
