//! Rollbacks with what runs and waits meanwhile.

use super::*;
use crate::dispatch::now::Now;
use crate::dispatch::tests::{event_of, key};
use crate::journal::PendingPage;
use crate::types::{DeliveryId, Payload};

const POLICY: RollbackPolicy = RollbackPolicy {
    watch: 10,
    failures: 2,
};

/// How long what has failed waits.
const PAUSE: Duration = Duration::from_secs(60);

fn terms(content: u8) -> Terms {
    Terms {
        content: [content; 32],
        concurrency: 8,
        memory: 1,
        ordered: true,
        longest_wait: Duration::from_secs(300),
        breaker: BreakerPolicy {
            failures: 2,
            ..BreakerPolicy::default()
        },
        rollback: POLICY,
    }
}

/// A slot whose second version is new, and these deliveries, each of a session.
fn slot(deliveries: &[(i64, &str)]) -> Slot<()> {
    let mut slot = Slot::new(key(), 0, Bounds::default());
    slot.swap((), terms(1));
    slot.swap((), terms(2));
    let lane = slot.lane(false);
    assert!(lane.next_page().is_some());
    lane.take_page(PendingPage::default(), Now::read(), PAUSE);
    for &(delivery, session) in deliveries {
        let event = event_of(Some(session), "x", bytes::Bytes::new(), Payload::Other);
        lane.offer(Job::new(DeliveryId(delivery), event, Default::default()));
    }
    slot
}

/// Starts all that may start.
fn start(slot: &mut Slot<()>, now: Instant) -> Vec<Job> {
    slot.wake(now);
    std::iter::from_fn(|| slot.start(now)).collect()
}

fn ids(jobs: &[Job]) -> Vec<i64> {
    jobs.iter().map(|job| job.delivery.0).collect()
}

/// Its attempt has trapped.
fn trap(slot: &mut Slot<()>, mut job: Job, now: Instant) -> Aftermath<()> {
    job.trap = job.trial.map(|_| "unreachable".into());
    let put_off = Settled::PutOff(now + PAUSE, Evidence::Traps);
    slot.settled(job, put_off, now)
}

#[test]
fn what_trapped_before_and_what_still_runs_run_again_at_once_and_in_order() {
    let now = Instant::now();
    let mut slot = slot(&[(1, "a"), (2, "a"), (3, "b"), (4, "c"), (5, "b")]);
    let mut first = start(&mut slot, now);
    assert_eq!(ids(&first), [1, 3, 4]);
    let (late, third, one) = (first.pop(), first.pop(), first.pop());
    let [Some(late), Some(third), Some(one)] = [late, third, one] else {
        panic!("three have started");
    };
    assert!(trap(&mut slot, third, now).rolled_back.is_none());
    assert_eq!(ids(&start(&mut slot, now)), Vec::<i64>::new(), "they wait");
    assert!(trap(&mut slot, one, now).rolled_back.is_some());
    let again = start(&mut slot, now);
    assert_eq!(
        ids(&again),
        [1, 3],
        "the breaker is closed, and nobody waits"
    );
    assert!(
        again
            .iter()
            .all(|job| job.trial.is_none() && job.trap.is_none())
    );
    assert!(trap(&mut slot, late, now).rolled_back.is_none());
    assert_eq!(
        ids(&start(&mut slot, now)),
        [4],
        "it began on the other version"
    );
    for job in again {
        let ended = Settled::Ended(Evidence::Works);
        slot.settled(job, ended, now);
    }
    assert_eq!(ids(&start(&mut slot, now)), [2, 5]);
}

#[test]
fn what_asked_for_a_pause_itself_keeps_it() {
    let now = Instant::now();
    let mut slot = slot(&[(1, "a"), (2, "b"), (3, "c")]);
    for (job, at) in start(&mut slot, now).into_iter().zip(0..) {
        if at == 0 {
            let asked = Settled::PutOff(now + PAUSE, Evidence::Fails);
            slot.settled(job, asked, now);
        } else {
            trap(&mut slot, job, now);
        }
    }
    assert_eq!(ids(&start(&mut slot, now)), [2, 3]);
    assert_eq!(ids(&start(&mut slot, now + PAUSE)), [1]);
}

#[test]
fn a_version_that_stays_waits_after_its_traps() {
    let now = Instant::now();
    let mut slot = slot(&[(1, "a")]);
    // It began on the version before and traps there too.
    let job = start(&mut slot, now).remove(0);
    slot.swap((), terms(3));
    slot.swap((), terms(3));
    let job = Job {
        trial: None,
        generation: slot.versions.generation(),
        ..job
    };
    assert!(trap(&mut slot, job, now).rolled_back.is_none());
    assert_eq!(ids(&start(&mut slot, now)), Vec::<i64>::new());
    assert_eq!(ids(&start(&mut slot, now + PAUSE)), [1]);
}
