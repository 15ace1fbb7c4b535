//! What becomes of attempts' outcomes.

use std::sync::Arc;

use futures_util::FutureExt as _;
use hookbox_testkit::wat::{self, World};
use tokio::sync::Semaphore;

use super::bench::{Bench, ends, report, settings};
use super::journal::Takes;
use super::{chat_push, key, key_of};
use crate::journal::Next;
use crate::sandbox::Verdict;
use crate::types::payload::{Misfit, TypedKind};
use crate::types::{DeliveryId, Payload};

#[tokio::test]
async fn a_delivery_that_someone_else_has_ended_is_not_tried_again() {
    let bench = Bench::start(&wat::traps(World::ChatPush), &[Takes::Superseded]).await;
    bench.commit(1, chat_push());
    bench.commit(2, chat_push());
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 1).await;
    assert_eq!(outcomes.len(), 3);
    for (finish, attempt) in outcomes.iter().zip(1..) {
        assert_eq!(finish.delivery, DeliveryId(2));
        assert_eq!((finish.attempts, finish.traps), (attempt, attempt));
    }
}

#[tokio::test]
async fn a_panic_while_an_attempt_is_settled_costs_no_slot_and_no_delivery() {
    let bench = Bench::start(&wat::logs(World::ChatPush, "hi"), &[Takes::Panics]).await;
    bench.commit(1, chat_push());
    bench.journal.took_the_first().await;
    bench.commit(2, chat_push());
    let outcomes = bench.stop_after(|outcomes| outcomes.len() == 2).await;
    let order: Vec<_> = outcomes.iter().map(|finish| finish.delivery.0).collect();
    assert_eq!(order, [2, 1]);
}

#[tokio::test]
async fn who_waits_for_a_slot_gets_it_before_the_outcome_is_stored() {
    let may_end = [1, 2].map(|_| Arc::new(Semaphore::new(0)));
    let gates = may_end.clone();
    let bench = Bench::acting(1, &[Takes::Never], move |attempt| {
        let gate = Arc::clone(&gates[usize::from(attempt.delivery == DeliveryId(2))]);
        Box::pin(async move {
            let _permit = gate.acquire().await;
            report(Verdict::Done)
        })
    });
    bench.add(key(), settings()).await;
    bench.commit(1, chat_push());
    bench.commit(2, chat_push());
    // When dispatch answers for the second time, it knows that one waits.
    for _ in 0..2 {
        bench.dispatcher.remove(key_of("other")).await;
    }
    may_end[0].add_permits(1);
    bench.journal.took_the_first().await;
    may_end[1].add_permits(1);
    let outcomes = bench.journal.outcomes(|outcomes| outcomes.len() == 1).await;
    assert_eq!(outcomes[0].delivery, DeliveryId(2));
}

#[tokio::test]
async fn the_death_of_a_misfit_is_counted_and_is_no_attempt() {
    let bench = Bench::start(&wat::logs(World::ChatPush, "hi"), &[]).await;
    let misfit = Misfit {
        kind: TypedKind::ChatPush,
        path: "data.role".into(),
        message: "not\na string".into(),
    };
    bench.commit(1, Payload::Misfit(misfit));
    let dispatcher = bench.dispatcher.clone();
    let outcomes = bench.stop_after(|outcomes| outcomes.len() == 1).await;
    assert_eq!(outcomes[0].attempts, 0);
    let reason = outcomes[0].next.reason().expect("it is dead");
    assert!(reason.ends_with("data.role: not\\u{a}a string"), "{reason}");
    let totals = dispatcher.stats().totals();
    assert_eq!((totals.dead, totals.failed_attempts), (1, 0));
}

#[tokio::test]
async fn what_waits_for_a_removed_plugin_is_read_again_when_it_is_back() {
    let bench = Bench::start(&wat::loops(World::ChatPush), &[]).await;
    for delivery in 1..=3 {
        bench.commit(delivery, chat_push());
    }
    bench.dispatcher.remove(key()).await;
    // They were parked for too long.
    bench.journal.forget_all_but(1);
    bench.swap(&wat::logs(World::ChatPush, "hi")).await;
    bench.commit(4, chat_push());
    let outcomes = bench.stop_after(|outcomes| ends(outcomes) == 2).await;
    let done: Vec<_> = outcomes
        .iter()
        .filter(|finish| finish.next == Next::Done)
        .map(|finish| finish.delivery.0)
        .collect();
    assert!(done == [1, 4] || done == [4, 1], "{done:?}");
    assert!(
        outcomes
            .iter()
            .all(|finish| [1, 4].contains(&finish.delivery.0))
    );
}

#[tokio::test]
async fn the_end_of_dispatch_can_be_seen() {
    let bench = Bench::start(&wat::logs(World::ChatPush, "hi"), &[]).await;
    assert_eq!(bench.dispatcher.ended().now_or_never(), None);
    bench.dispatcher.stop().await;
    bench.dispatcher.ended().await;
}
