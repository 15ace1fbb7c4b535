use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::types::event::Event;
use crate::types::{EndpointName, EventId, EventSeq, Payload};

fn event(session: Option<&str>) -> StoredEvent {
    StoredEvent {
        seq: EventSeq(1),
        event: Arc::new(Event {
            id: EventId::generate(),
            endpoint: EndpointName::default_endpoint(),
            event_type: "test".into(),
            agent_id: None,
            session_id: session.map(str::to_owned),
            occurred_at: None,
            received_at: UnixMicros(0),
            test_header: false,
            body: Bytes::from_static(b"{}"),
            payload: Payload::Other,
        }),
    }
}

fn job(delivery: i64, session: Option<&str>) -> Job {
    Job {
        delivery: DeliveryId(delivery),
        event: event(session),
        failed_attempts: 0,
    }
}

fn pending(delivery: i64, session: Option<&str>) -> Pending {
    Pending {
        delivery: DeliveryId(delivery),
        event: event(session),
        failed_attempts: 0,
        due_at: None,
    }
}

/// A lane that has seen that the store holds nothing for it.
fn caught_up() -> Lane {
    let mut lane = Lane::new(true);
    assert_eq!(lane.next_page(), Some(DeliveryId(0)));
    lane.take_page(Vec::new());
    lane
}

fn started(lane: &mut Lane) -> Vec<i64> {
    std::iter::from_fn(|| lane.start())
        .map(|job| job.delivery.0)
        .collect()
}

#[test]
fn a_session_runs_one_delivery_at_a_time_and_others_go_on() {
    let mut lane = caught_up();
    lane.offer(job(1, Some("a")));
    lane.offer(job(2, Some("a")));
    lane.offer(job(3, Some("b")));
    lane.offer(job(4, None));

    assert_eq!(started(&mut lane), [1, 3, 4]);
    lane.end(&job(1, Some("a")));
    assert_eq!(started(&mut lane), [2]);
}

#[test]
fn a_delivery_that_is_put_off_holds_back_only_its_session() {
    let mut lane = caught_up();
    lane.offer(job(1, Some("a")));
    lane.offer(job(2, Some("a")));
    lane.offer(job(3, Some("b")));
    let first = lane.start().expect("the first is ready");
    lane.put_off(first, UnixMicros(100));

    assert_eq!(started(&mut lane), [3]);
    lane.wake(UnixMicros(99));
    assert!(!lane.has_ready());
    lane.wake(UnixMicros(100));
    assert_eq!(started(&mut lane), [1]);
}

#[test]
fn a_full_lane_leaves_the_rest_to_the_store_and_misses_nothing() {
    let mut lane = caught_up();
    let total = CAPACITY as i64 + 700;
    for delivery in 1..=total {
        lane.offer(job(delivery, None));
    }
    assert_eq!(lane.held(), CAPACITY);

    let mut seen = Vec::new();
    loop {
        while let Some(job) = lane.start() {
            seen.push(job.delivery.0);
            lane.end(&job);
        }
        let Some(after) = lane.next_page() else { break };
        let page = (after.0 + 1..=total).take(PAGE).map(|id| pending(id, None));
        lane.take_page(page.collect());
    }
    assert_eq!(seen, (1..=total).collect::<Vec<_>>());
}

#[test]
fn what_is_offered_while_the_last_page_is_read_is_read_as_well() {
    let mut lane = Lane::new(true);
    assert_eq!(lane.next_page(), Some(DeliveryId(0)));
    lane.offer(job(2, None));
    lane.take_page(vec![pending(1, None)]);

    assert_eq!(lane.next_page(), Some(DeliveryId(1)));
    lane.take_page(vec![pending(2, None)]);
    assert_eq!(lane.next_page(), None);
    assert_eq!(started(&mut lane), [1, 2]);
}

proptest! {
    /// Whatever the order in which attempts end, each session's deliveries start
    /// in the order in which they came in, and all of them do.
    #[test]
    fn sessions_stay_in_order(sessions in prop::collection::vec(0u8..4, 1..60), picks in prop::collection::vec(any::<prop::sample::Index>(), 120)) {
        let mut lane = caught_up();
        for (i, session) in sessions.iter().enumerate() {
            let name = (*session > 0).then(|| session.to_string());
            lane.offer(job(i as i64 + 1, name.as_deref()));
        }
        let mut running: Vec<Job> = Vec::new();
        let mut order: Vec<i64> = Vec::new();
        let mut picks = picks.into_iter();
        loop {
            while let Some(job) = lane.start() {
                order.push(job.delivery.0);
                running.push(job);
            }
            if running.is_empty() {
                break;
            }
            let pick = picks.next().map_or(0, |pick| pick.index(running.len()));
            let ended = running.swap_remove(pick);
            lane.end(&ended);
        }
        prop_assert_eq!(order.len(), sessions.len());
        prop_assert_eq!(lane.held(), 0);
        for session in 1..4u8 {
            let of_session: Vec<i64> = order.iter().copied().filter(|&id| sessions[id as usize - 1] == session).collect();
            prop_assert!(of_session.is_sorted());
        }
    }
}
