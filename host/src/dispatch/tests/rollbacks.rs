//! New versions that trap.

use std::time::Duration;

use hookbox_testkit::wat::{self, World};

use super::bench::{Bench, Settings, ends, settings};
use super::{chat_push, key};
use crate::dispatch::{BreakerState, RollbackPolicy};
use crate::journal::{Finish, Next};
use crate::types::EndpointName;

fn good() -> Vec<u8> {
    wat::logs(World::ChatPush, "good")
}

/// Of each outcome: the delivery, whether it was done, and what counts so far.
fn summary(outcomes: &[Finish]) -> Vec<(i64, bool, u32, u32)> {
    let one = |finish: &Finish| {
        let done = finish.next == Next::Done;
        (finish.delivery.0, done, finish.attempts, finish.traps)
    };
    outcomes.iter().map(one).collect()
}

async fn with_events(bad: &[u8]) -> (Bench, Vec<Finish>) {
    let bench = Bench::start(&good(), &[]).await;
    bench.commit_for(&key(), 1, Some("s"), chat_push());
    bench.journal.outcomes(|outcomes| ends(outcomes) == 1).await;
    bench.swap(bad).await;
    for delivery in 2..=5 {
        bench.commit_for(&key(), delivery, Some("s"), chat_push());
    }
    let outcomes = bench.journal.outcomes(|outcomes| ends(outcomes) == 5).await;
    (bench, outcomes)
}

#[tokio::test]
async fn the_version_before_handles_what_the_new_one_could_not_and_nothing_was_used_up() {
    let (bench, outcomes) = with_events(&wat::traps(World::ChatPush)).await;
    // Three traps would end a delivery.
    let expected = [
        (1, true, 1, 0),
        (2, false, 1, 0),
        (2, false, 2, 0),
        (2, false, 3, 0),
        (2, true, 4, 0),
        (3, true, 1, 0),
        (4, true, 1, 0),
        (5, true, 1, 0),
    ];
    assert_eq!(summary(&outcomes), expected);
    let reason = outcomes[1].next.reason().expect("it failed");
    assert!(reason.contains("unreachable"), "{reason}");
    let totals = bench.dispatcher.stats().totals();
    assert_eq!((totals.rollbacks, totals.dead), (1, 0));
    assert_eq!(totals.failed_attempts, 3, "they are told as they were");
}

#[tokio::test]
async fn limits_count_as_traps() {
    let (bench, outcomes) = with_events(&wat::loops(World::ChatPush)).await;
    assert_eq!(outcomes.len(), 5 + 3);
    assert_eq!(bench.dispatcher.stats().totals().rollbacks, 1);
}

#[tokio::test]
async fn the_folder_is_told_what_runs_now_and_why() {
    let bench = Bench::start(&good(), &[]).await;
    let endpoint = EndpointName::default_endpoint();
    let mut rollbacks = bench.dispatcher.rollbacks(endpoint);
    let bad = bench.make(&wat::traps(World::ChatPush), settings());
    bench.dispatcher.swap(key(), bad.clone()).await;
    bench.commit(1, chat_push());
    let rollback = rollbacks.recv().await.expect("it comes");
    assert!(std::sync::Arc::ptr_eq(&rollback.from, &bad));
    let before = bench.make(&good(), settings());
    assert_eq!(rollback.to.content, before.content);
    assert_eq!(rollback.key, key());
    let says = "3 of its first 3 attempts trapped or hit a limit, at last: ";
    assert!(rollback.reason.starts_with(says), "{}", rollback.reason);
    assert!(
        rollback.reason.contains("unreachable"),
        "{}",
        rollback.reason
    );
    bench.journal.outcomes(|outcomes| ends(outcomes) == 1).await;
}

#[tokio::test]
async fn where_both_trap_the_new_one_stays_and_deliveries_die_as_ever() {
    let bench = Bench::start(&wat::traps(World::ChatPush), &[]).await;
    bench.commit(1, chat_push());
    bench.journal.outcomes(|outcomes| ends(outcomes) == 1).await;
    bench.swap(&wat::loops(World::ChatPush)).await;
    bench.commit(2, chat_push());
    let dispatcher = bench.dispatcher.clone();
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 2).await;
    assert_eq!(outcomes.len(), 6);
    let dead = |finish: &&Finish| matches!(finish.next, Next::Dead { .. });
    assert_eq!(outcomes.iter().filter(dead).count(), 2);
    let totals = dispatcher.stats().totals();
    assert_eq!((totals.rollbacks, totals.dead), (0, 2));
}

#[tokio::test]
async fn turned_off_the_new_version_stays() {
    let bench = Bench::start(&good(), &[]).await;
    let off = Settings {
        rollback: RollbackPolicy {
            failures: 0,
            ..RollbackPolicy::default()
        },
        ..settings()
    };
    let bad = bench.make(&wat::traps(World::ChatPush), off);
    bench.dispatcher.swap(key(), bad).await;
    bench.commit(1, chat_push());
    let dispatcher = bench.dispatcher.clone();
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 1).await;
    assert!(matches!(outcomes[2].next, Next::Dead { .. }));
    assert_eq!(dispatcher.stats().totals().rollbacks, 0);
}

#[tokio::test]
async fn a_rollback_ends_the_pause_of_the_new_version() {
    let bench = Bench::start(&good(), &[]).await;
    let mut settings = settings();
    settings.breaker.failures = 3;
    settings.breaker.pause = Duration::from_secs(3600);
    let bad = bench.make(&wat::traps(World::ChatPush), settings);
    bench.dispatcher.swap(key(), bad).await;
    for delivery in 1..=3 {
        bench.commit(delivery, chat_push());
    }
    bench.journal.outcomes(|outcomes| ends(outcomes) == 3).await;
    assert_eq!(bench.dispatcher.stats().totals().rollbacks, 1);
    let breaker = bench.dispatcher.breaker(&key());
    assert_eq!(breaker.state, BreakerState::Closed);
}
