use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::dispatch::now::Now;
use crate::dispatch::retry::Attempts;
use crate::journal::{Pending, PendingPage};
use crate::types::event::Event;
use crate::types::{EndpointName, EventId, EventSeq, Payload, StoredEvent, UnixMicros};

pub(super) fn event(session: Option<&str>, body: Bytes) -> StoredEvent {
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
            body,
            payload: Payload::Other,
        }),
    }
}

fn small(session: Option<&str>) -> StoredEvent {
    event(session, Bytes::from_static(b"{}"))
}

fn job(delivery: i64, session: Option<&str>) -> Job {
    Job::new(DeliveryId(delivery), small(session), Attempts::default())
}

fn pending(delivery: i64, session: Option<&str>) -> Pending {
    Pending {
        delivery: DeliveryId(delivery),
        event: small(session),
        failed_attempts: 0,
        traps: 0,
        due_at: None,
    }
}

fn page(deliveries: Vec<Pending>) -> PendingPage {
    PendingPage {
        more: deliveries.len() >= PAGE,
        deliveries,
    }
}

/// A lane that has seen that the store holds nothing for it.
fn caught_up() -> Lane {
    let mut lane = Lane::new(true, Bounds::default());
    assert_eq!(lane.next_page(), Some(DeliveryId(0)));
    take(&mut lane, PendingPage::default());
    lane
}

fn take(lane: &mut Lane, page: PendingPage) {
    let now = Now {
        wall: UnixMicros(0),
        mono: Instant::now(),
    };
    lane.take_page(page, now, Duration::from_secs(300));
}

fn start(lane: &mut Lane) -> Job {
    lane.start().expect("something is ready")
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

    let first = start(&mut lane);
    assert_eq!(started(&mut lane), [3, 4]);
    lane.end(&first);
    assert_eq!(started(&mut lane), [2]);
}

#[test]
fn a_delivery_that_is_put_off_holds_back_only_its_session() {
    let mut lane = caught_up();
    lane.offer(job(1, Some("a")));
    lane.offer(job(2, Some("a")));
    lane.offer(job(3, Some("b")));
    let first = start(&mut lane);
    let due = Instant::now() + Duration::from_secs(100);
    lane.put_off(first, due);

    assert_eq!(started(&mut lane), [3]);
    lane.wake(due - Duration::from_micros(1));
    assert!(!lane.has_ready());
    lane.wake(due);
    assert_eq!(started(&mut lane), [1]);
}

#[test]
fn a_full_lane_leaves_the_rest_to_the_store_and_misses_nothing() {
    let mut lane = caught_up();
    let total = CAPACITY as i64 + 700;
    for delivery in 1..=total {
        lane.offer(job(delivery, None));
    }
    assert_eq!(lane.held.len(), CAPACITY);

    let mut seen = Vec::new();
    loop {
        while let Some(job) = lane.start() {
            seen.push(job.delivery.0);
            lane.end(&job);
        }
        let Some(after) = lane.next_page() else { break };
        let found = (after.0 + 1..=total).take(PAGE).map(|id| pending(id, None));
        take(&mut lane, page(found.collect()));
    }
    assert_eq!(seen, (1..=total).collect::<Vec<_>>());
}

#[test]
fn what_is_offered_while_the_last_page_is_read_is_read_as_well() {
    let mut lane = Lane::new(true, Bounds::default());
    assert_eq!(lane.next_page(), Some(DeliveryId(0)));
    lane.offer(job(2, None));
    take(&mut lane, page(vec![pending(1, None)]));

    assert_eq!(lane.next_page(), Some(DeliveryId(1)));
    take(&mut lane, page(vec![pending(2, None)]));
    assert_eq!(lane.next_page(), None);
    assert_eq!(started(&mut lane), [1, 2]);
}

#[test]
fn a_lane_is_bounded_by_the_bytes_of_bodies_but_one_always_fits() {
    let large = |delivery, bytes| {
        let event = event(None, Bytes::from(vec![b' '; bytes]));
        Job::new(DeliveryId(delivery), event, Attempts::default())
    };
    let mut lane = caught_up();
    for delivery in 1..=40 {
        lane.offer(large(delivery, 1 << 20));
    }
    assert_eq!(lane.bytes, MAX_BYTES);
    assert_eq!(lane.next_page(), None, "no room for a page");
    for _ in 0..32 {
        let job = start(&mut lane);
        lane.end(&job);
    }
    assert_eq!(lane.bytes, 0);
    assert_eq!(lane.next_page(), Some(DeliveryId(32)), "the rest is read");

    let mut lane = caught_up();
    lane.offer(large(1, MAX_BYTES + 1));
    assert_eq!(started(&mut lane), [1]);
}

#[test]
fn a_short_page_that_says_there_is_more_is_not_the_last() {
    let mut lane = Lane::new(true, Bounds::default());
    lane.next_page();
    take(
        &mut lane,
        PendingPage {
            deliveries: vec![pending(1, None)],
            more: true,
        },
    );
    assert_eq!(lane.next_page(), Some(DeliveryId(1)));
    take(&mut lane, page(vec![pending(2, None)]));
    assert_eq!(lane.next_page(), None);
}

#[test]
fn an_emptied_lane_starts_nothing_and_reads_all_but_what_still_runs() {
    let mut lane = caught_up();
    for delivery in 1..=4 {
        lane.offer(job(delivery, Some("a")));
    }
    lane.offer(job(5, Some("b")));
    lane.offer(job(6, None));
    let running = start(&mut lane);
    let late = start(&mut lane);
    let due = Instant::now();
    lane.put_off(late, due);
    lane.clear();

    lane.wake(due);
    assert_eq!(started(&mut lane), [0; 0]);
    assert_eq!((lane.held.len(), lane.bytes), (1, 2));
    assert_eq!(lane.next_page(), Some(DeliveryId(0)));
    // The second was finished by someone else.
    let sessions = [(1, Some("a")), (3, Some("a")), (5, Some("b")), (6, None)];
    take(
        &mut lane,
        page(sessions.map(|(id, s)| pending(id, s)).into()),
    );
    assert_eq!(started(&mut lane), [5, 6], "the session's first still runs");
    lane.end(&running);
    assert_eq!(started(&mut lane), [3]);
}

#[test]
fn a_page_from_before_the_lane_was_emptied_is_not_taken() {
    let mut lane = Lane::new(true, Bounds::default());
    lane.next_page();
    lane.clear();
    assert_eq!(lane.next_page(), None, "the page is still to come");
    take(&mut lane, page(vec![pending(1, None)]));
    assert!(lane.is_empty());
    assert_eq!(lane.next_page(), Some(DeliveryId(0)));
}

#[test]
fn what_ends_between_the_reading_and_the_taking_of_a_page_runs_once() {
    let mut lane = caught_up();
    lane.offer(job(1, None));
    let running = start(&mut lane);
    lane.clear();
    lane.next_page();
    lane.end(&running);
    take(&mut lane, page(vec![pending(1, None)]));
    assert!(lane.is_empty());
}

#[test]
fn what_is_to_run_again_after_the_plugin_went_is_read_when_it_is_back() {
    let mut lane = caught_up();
    lane.offer(job(1, Some("a")));
    let running = start(&mut lane);
    lane.clear();
    lane.leave(&running);
    assert!(lane.is_empty() && lane.sessions.len() == 0);
    lane.next_page();
    take(&mut lane, page(vec![pending(1, Some("a"))]));
    assert_eq!(started(&mut lane), [1]);
}

#[test]
fn what_came_in_without_order_frees_no_session_of_those_with_order() {
    let mut lane = caught_up();
    lane.set_ordered(false);
    lane.offer(job(1, Some("a")));
    let unordered = start(&mut lane);
    lane.set_ordered(true);
    lane.offer(job(2, Some("a")));
    lane.offer(job(3, Some("a")));
    assert_eq!(started(&mut lane), [2]);
    lane.end(&unordered);
    assert_eq!(started(&mut lane), [0; 0], "2 is still running");
}

#[test]
fn a_page_says_when_and_no_wait_is_longer_than_the_longest() {
    let mut lane = Lane::new(true, Bounds::default());
    lane.next_page();
    let now = Now {
        wall: UnixMicros(0),
        mono: Instant::now(),
    };
    let longest = Duration::from_secs(300);
    let due = |delivery, seconds| Pending {
        due_at: Some(now.wall.after(Duration::from_secs(seconds))),
        ..pending(delivery, None)
    };
    // The second was put off before the clock was set back.
    lane.take_page(page(vec![due(1, 7), due(2, 36_000)]), now, longest);
    assert_eq!(lane.next_due(), Some(now.mono + Duration::from_secs(7)));
    lane.wake(now.mono + Duration::from_secs(7));
    assert_eq!(started(&mut lane), [1]);
    assert_eq!(lane.next_due(), Some(now.mono + longest));
}

#[test]
fn a_rewound_lane_reads_what_is_below_and_runs_nothing_twice() {
    let mut lane = caught_up();
    for delivery in [5, 6, 7] {
        lane.offer(job(delivery, None));
    }
    let running = start(&mut lane);
    lane.rewind();
    assert_eq!(lane.next_page(), Some(DeliveryId(0)));
    let found = [2, 5, 6, 7, 8].map(|id| pending(id, None));
    take(&mut lane, page(found.into()));
    assert_eq!(started(&mut lane), [6, 7, 2, 8]);
    lane.end(&running);
    assert_eq!(
        lane.next_page(),
        Some(DeliveryId(0)),
        "5 may be pending again"
    );
    take(&mut lane, page(vec![pending(5, None)]));
    assert_eq!(started(&mut lane), [5]);
    let again = job(5, None);
    lane.end(&again);
    assert_eq!(lane.next_page(), None, "once was enough");
}

#[test]
fn what_is_put_off_since_a_rewind_needs_no_other() {
    let mut lane = caught_up();
    lane.offer(job(1, None));
    let running = start(&mut lane);
    lane.rewind();
    lane.next_page();
    take(&mut lane, page(vec![pending(1, None)]));
    let due = Instant::now();
    lane.put_off(running, due);
    assert_eq!(lane.next_page(), None);
    lane.wake(due);
    assert_eq!(started(&mut lane), [1]);
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
        prop_assert!(lane.is_empty());
        for session in 1..4u8 {
            let of_session: Vec<i64> = order.iter().copied().filter(|&id| sessions[id as usize - 1] == session).collect();
            prop_assert!(of_session.is_sorted());
        }
    }
}
