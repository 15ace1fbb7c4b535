//! Retry and replay by hand: outside the order, apart from the rest
//! (guarantee 4).

use super::*;
use crate::journal::{
    DeliveryFilter, DeliveryState, EventFilter, Operate as _, PendingPage, Replay, Retried,
};
use crate::types::{EventSeq, Handlers};

fn pages_of(page: &PendingPage) -> Vec<DeliveryId> {
    page.deliveries.iter().map(|one| one.delivery).collect()
}

async fn pending(journal: &SqliteJournal, name: &str) -> Vec<DeliveryId> {
    let page = journal.pending(plugin(name), DeliveryId(0), 1000).await;
    pages_of(&page.expect("read"))
}

async fn manual(journal: &SqliteJournal, name: &str) -> Vec<DeliveryId> {
    let page = journal
        .pending_manual(plugin(name), DeliveryId(0), 10_000)
        .await;
    pages_of(&page.expect("read"))
}

fn all_for(name: &str) -> Replay {
    Replay {
        plugin: plugin(name),
        since: None,
        until: None,
        types: Vec::new(),
        after: EventSeq(0),
        through: None,
    }
}

/// Steps until the end: deliveries made, events looked at, steps.
async fn to_the_end(journal: &SqliteJournal, mut replay: Replay) -> (u64, u64, u32) {
    let (mut made, mut seen, mut steps) = (0, 0, 0);
    loop {
        let step = journal.replay(replay.clone()).await.expect("an answer");
        made += step.deliveries;
        seen += step.seen;
        steps += 1;
        match step.next {
            Some(next) => replay.after = next,
            None => return (made, seen, steps),
        }
    }
}

#[tokio::test]
async fn a_dead_delivery_is_pending_again_apart_from_the_order() {
    let bench = Bench::new();
    let journal = journal_with(&bench, 3).await;
    let ids = bench.deliveries();
    let failed = Finish {
        attempts: 4,
        traps: 2,
        ..dead(ids[1])
    };
    journal.finish(failed).await.expect("finished");
    journal
        .finish(outcome(ids[2], Next::Done))
        .await
        .expect("finished");
    for (id, answer) in [
        (ids[0], Retried::NotDead),
        (ids[2], Retried::NotDead),
        (DeliveryId(4711), Retried::Unknown),
    ] {
        assert_eq!(journal.retry(id).await.expect("an answer"), answer);
    }
    assert!(bench.manual().is_empty());
    assert_eq!(
        journal.retry(ids[1]).await.expect("an answer"),
        Retried::Pending
    );
    assert_eq!(bench.manual(), [plugin("a")]);
    journal.close().await;

    let journal = bench.open();
    assert_eq!(pending(&journal, "a").await, [ids[0]]);
    let page = journal
        .pending_manual(plugin("a"), DeliveryId(0), 9)
        .await
        .expect("read");
    assert_eq!(pages_of(&page), [ids[1]]);
    let again = &page.deliveries[0];
    assert_eq!(
        (again.failed_attempts, again.traps, again.due_at),
        (0, 0, None)
    );
    let counts = journal.counts().await.expect("read");
    assert_eq!((counts.pending, counts.dead, counts.done), (2, 0, 1));
    let waiting = DeliveryFilter {
        state: Some(DeliveryState::Pending),
        ..DeliveryFilter::default()
    };
    let found = journal.deliveries(waiting, 9).await.expect("read");
    let shown: Vec<_> = found.iter().map(|one| (one.id, one.manual)).collect();
    assert_eq!(shown, [(ids[1], true), (ids[0], false)]);
    journal
        .finish(outcome(ids[1], Next::Done))
        .await
        .expect("finished");
    assert!(manual(&journal, "a").await.is_empty());
    journal.close().await;
}

#[tokio::test]
async fn all_dead_of_a_plugin_are_run_again_in_steps() {
    let bench = Bench::new();
    let journal = bench.open();
    for name in ["a", "other"] {
        journal.install(everything(name)).await.expect("installed");
    }
    let appends = (0..300).map(|n| journal.append(at(&n.to_string(), NOW)));
    futures_util::future::join_all(appends).await;
    let finishes = bench
        .deliveries()
        .into_iter()
        .map(|id| journal.finish(dead(id)));
    let answers = futures_util::future::join_all(finishes).await;
    assert!(answers.iter().all(Result::is_ok));

    let (mut after, mut steps) = (DeliveryId(0), Vec::new());
    loop {
        let step = journal
            .retry_dead(plugin("a"), after)
            .await
            .expect("an answer");
        steps.push(step.deliveries);
        match step.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert!(steps.len() > 1, "{steps:?}");
    assert_eq!(steps.iter().sum::<u64>(), 300);
    assert_eq!(manual(&journal, "a").await.len(), 300);
    assert!(manual(&journal, "other").await.is_empty());
    let counts = journal.counts().await.expect("read");
    assert_eq!((counts.pending, counts.dead), (300, 300));
    assert!(bench.manual().iter().all(|key| *key == plugin("a")));
    let nobody = journal
        .retry_dead(plugin("nobody"), DeliveryId(0))
        .await
        .expect("an answer");
    assert_eq!((nobody.deliveries, nobody.next), (0, None));
    journal.close().await;
}

#[tokio::test]
async fn past_events_are_delivered_to_a_new_plugin() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    // More than one step's worth.
    let appends = (0..1200).map(|n| journal.append(at(&n.to_string(), later(n))));
    futures_util::future::join_all(appends).await;
    assert_eq!(
        to_the_end(&journal, all_for("new")).await,
        (0, 0, 1),
        "not on the list"
    );
    journal.install(everything("new")).await.expect("installed");
    let (made, seen, steps) = to_the_end(&journal, all_for("new")).await;
    assert_eq!((made, seen), (1200, 1200));
    assert!(steps > 1);
    assert!(pending(&journal, "new").await.is_empty());
    let replayed = manual(&journal, "new").await;
    assert_eq!(replayed.len(), 1200);
    assert_eq!(pending(&journal, "a").await.len(), 1000, "the page's bound");
    assert!(
        replayed[0] > bench.deliveries()[1199],
        "numbers of their own"
    );
    assert_eq!(journal.counts().await.expect("read").pending, 2400);
    assert!(bench.manual().contains(&plugin("new")));
    journal.close().await;

    // They are found with their event, before and after those made with it.
    let journal = bench.open();
    let event = bench.routed()[7].event.event.id;
    let of_event = DeliveryFilter {
        event: Some(event),
        ..DeliveryFilter::default()
    };
    let found = journal.deliveries(of_event.clone(), 9).await.expect("read");
    let shown: Vec<_> = found.iter().map(|one| (one.id, one.manual)).collect();
    let own = bench.deliveries()[7];
    assert_eq!(shown, [(replayed[7], true), (own, false)]);
    assert!(found.iter().all(|one| one.event == event));
    let older = DeliveryFilter {
        before: Some(replayed[7]),
        ..of_event.clone()
    };
    assert_eq!(journal.deliveries(older, 9).await.expect("read")[0].id, own);
    let one = journal.deliveries(of_event, 1).await.expect("read");
    assert_eq!((one.len(), one[0].id), (1, replayed[7]));
    // New events go on behind them.
    store(&journal, at("later", NOW)).await;
    let latest = bench.deliveries();
    assert!(latest[latest.len() - 1] > replayed[1199]);
    journal.close().await;
}

#[tokio::test]
async fn a_replay_takes_what_was_asked_for_and_what_the_plugin_is_for() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut elsewhere = event_of("elsewhere", NOW);
    elsewhere.endpoint = EndpointName::new("other").expect("a name");
    store(&journal, new(elsewhere)).await;
    for n in 0..10 {
        let mut event = event_of(&n.to_string(), later(n));
        event.event_type = ["one", "two"][usize::from(n % 2 == 1)].into();
        event.agent_id = (n < 8).then(|| "A1".into());
        store(&journal, new(event)).await;
    }
    journal.install(everything("all")).await.expect("installed");
    let filtered = Installed {
        key: plugin("filtered"),
        subscription: Subscription {
            handlers: Some(Handlers {
                event: true,
                ..Handlers::default()
            }),
            types: Some(vec!["two".into()]),
            agents: Some(vec!["A1".into()]),
        },
    };
    journal.install(filtered).await.expect("installed");
    let made = async |replay| to_the_end(&journal, replay).await.0;
    assert_eq!(made(all_for("all")).await, 10, "only of its endpoint");
    assert_eq!(made(all_for("filtered")).await, 4, "1, 3, 5, 7");
    let between = Replay {
        since: Some(later(2)),
        until: Some(later(6)),
        ..all_for("all")
    };
    assert_eq!(made(between.clone()).await, 4);
    let of_one = Replay {
        types: vec!["one".into(), "three".into()],
        ..between
    };
    assert_eq!(made(of_one).await, 2);
    // The first event is that of the other endpoint.
    let some = Replay {
        after: EventSeq(3),
        through: Some(EventSeq(6)),
        ..all_for("all")
    };
    assert_eq!(made(some).await, 3);
    let listed = journal
        .events(EventFilter::default(), 99)
        .await
        .expect("read");
    assert!(
        listed.iter().all(|event| event.deliveries == 0),
        "as when stored"
    );
    journal.close().await;
}

#[tokio::test]
async fn a_replay_in_steps_ends_at_many_bytes_too() {
    let bench = Bench::new();
    let journal = bench.open();
    let large = crate::journal::PAGE_BYTES / 2;
    for n in 0..5 {
        store(&journal, at(&format!("{n}{}", " ".repeat(large)), NOW)).await;
    }
    journal.install(everything("a")).await.expect("installed");
    assert_eq!(to_the_end(&journal, all_for("a")).await, (5, 5, 3));
    journal.close().await;
}
