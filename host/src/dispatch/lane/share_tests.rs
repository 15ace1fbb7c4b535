//! Lanes with sessions that have more than their share, against a simple model: a
//! store that knows what is pending.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::tests::event;
use super::*;
use crate::dispatch::now::Now;
use crate::dispatch::retry::Attempts;
use crate::journal::{PAGE_BYTES, Pending, PendingPage};
use crate::types::{StoredEvent, UnixMicros};

/// The session that gets most of the deliveries, and whose first never ends
/// while it is stuck.
const HEAVY: &str = "heavy";

const LONGEST: Duration = Duration::from_secs(300);

/// A choice among however many there are.
#[derive(Clone, Copy, Debug)]
struct Pick(usize);

impl Pick {
    fn index(self, count: usize) -> usize {
        self.0 % count
    }
}

/// An attempt that isn't settled.
struct Running {
    job: Job,
    /// Its end is in the store, but the lane doesn't know.
    stored: bool,
}

struct Model {
    lane: Lane,
    bounds: Bounds,
    now: Now,
    /// Whether the heavy session's deliveries are always put off.
    stuck: bool,
    /// Whether order was always on.
    ordered: bool,
    pending: BTreeMap<DeliveryId, StoredEvent>,
    /// The same by session.
    by_session: BTreeSet<(Option<String>, DeliveryId)>,
    page: Option<PendingPage>,
    pages: usize,
    running: Vec<Running>,
    last: i64,
}

impl Model {
    fn new(bounds: Bounds) -> Self {
        Self {
            lane: Lane::new(true, bounds),
            bounds,
            now: Now {
                wall: UnixMicros(0),
                mono: Instant::now(),
            },
            stuck: true,
            ordered: true,
            pending: BTreeMap::new(),
            by_session: BTreeSet::new(),
            page: None,
            pages: 0,
            running: Vec::new(),
            last: 0,
        }
    }

    /// One step, of a kind and with two choices.
    fn step(&mut self, kind: u8, one: Pick, two: Pick) {
        match kind {
            0..=8 => self.commit(one, two.index(40), kind == 0 && one.index(3) == 0),
            9..=18 => self.read_page(),
            19..=23 => self.take_page(one.index(8) == 0),
            24..=29 => self.start(),
            30..=36 => self.store_end(one),
            37..=45 => self.settle(one, two.index(5) == 0),
            46 => self.end_elsewhere(one),
            47 if one.index(3) == 0 => self.lane.clear(),
            48 if one.index(3) == 0 => self.lane.rewind(),
            49 => self.set_ordered(one.index(3) > 0),
            _ => self.advance(Duration::from_secs(two.index(60) as u64)),
        }
        self.check_bounds();
    }

    fn set_ordered(&mut self, ordered: bool) {
        self.ordered &= ordered;
        self.lane.set_ordered(ordered);
    }

    fn advance(&mut self, by: Duration) {
        self.now.mono += by;
        self.now.wall = self.now.wall.after(by);
        self.lane.wake(self.now.mono);
    }

    fn commit(&mut self, session: Pick, size: usize, lost: bool) {
        let session = match session.index(9) {
            0 => None,
            1 => Some("one"),
            2 => Some("two"),
            3 => Some("three"),
            4 => Some("four"),
            _ => Some(HEAVY),
        };
        self.store(session, size);
        if lost {
            self.lane.fall_behind();
        } else {
            let delivery = DeliveryId(self.last);
            let event = self.pending[&delivery].clone();
            self.lane
                .offer(Job::new(delivery, event, Attempts::default()));
        }
    }

    fn store(&mut self, session: Option<&str>, size: usize) {
        self.last += 1;
        let event = event(session, Bytes::from(vec![b' '; size]));
        let session = event.event.session_id.clone();
        self.by_session.insert((session, DeliveryId(self.last)));
        self.pending.insert(DeliveryId(self.last), event);
    }

    fn remove(&mut self, delivery: DeliveryId) {
        if let Some(event) = self.pending.remove(&delivery) {
            let session = event.event.session_id.clone();
            self.by_session.remove(&(session, delivery));
        }
    }

    fn read_page(&mut self) {
        let Some(after) = self.lane.next_page() else {
            return;
        };
        assert!(self.page.is_none(), "one at a time");
        self.pages += 1;
        let limit = self.lane.page_size();
        let found = self.pending.range(DeliveryId(after.0 + 1)..).take(limit);
        let deliveries: Vec<Pending> = found
            .map(|(&delivery, event)| Pending {
                delivery,
                event: event.clone(),
                failed_attempts: 0,
                traps: 0,
                due_at: None,
            })
            .collect();
        let more = deliveries.len() == limit;
        self.page = Some(PendingPage { deliveries, more });
    }

    fn take_page(&mut self, fails: bool) {
        match self.page.take() {
            Some(_) if fails => self.lane.page_failed(),
            Some(page) => self.lane.take_page(page, self.now, LONGEST),
            None => {}
        }
    }

    fn start(&mut self) {
        while let Some(job) = self.lane.start() {
            self.check_start(&job);
            self.running.push(Running { job, stored: false });
        }
    }

    fn check_start(&self, job: &Job) {
        let id = job.delivery;
        assert!(self.pending.contains_key(&id), "{id} runs after its end");
        let mut others = self.running.iter();
        assert!(!others.any(|other| other.job.delivery == id), "{id} twice");
        let session = &job.event.event.session_id;
        if session.is_some() && self.ordered {
            let start = (session.clone(), DeliveryId(0));
            let earlier = self.by_session.range(start..(session.clone(), id)).next();
            let first = earlier.is_none();
            assert!(first, "{id} is not the session's first");
        }
    }

    /// A running delivery that may end.
    fn ending(&self, pick: Pick) -> Option<usize> {
        let ending = self.running.iter().enumerate();
        let ending: Vec<usize> = ending
            .filter(|(_, running)| !self.is_stuck(&running.job.event))
            .map(|(place, _)| place)
            .collect();
        (!ending.is_empty()).then(|| ending[pick.index(ending.len())])
    }

    fn store_end(&mut self, pick: Pick) {
        if let Some(place) = self.ending(pick) {
            self.running[place].stored = true;
            let delivery = self.running[place].job.delivery;
            self.remove(delivery);
        }
    }

    /// Something that isn't in memory is given up.
    fn end_elsewhere(&mut self, pick: Pick) {
        let held = &self.lane.held;
        let free: Vec<DeliveryId> = self
            .pending
            .keys()
            .copied()
            .filter(|id| !held.contains(id))
            .collect();
        // A page that is on its way may still bring it.
        if !free.is_empty() && self.page.is_none() {
            self.remove(free[pick.index(free.len())]);
        }
    }

    fn settle(&mut self, pick: Pick, again: bool) {
        if self.running.is_empty() {
            return;
        }
        let place = pick.index(self.running.len());
        let Running { job, stored } = self.running.swap_remove(place);
        if stored {
            self.lane.end(&job);
        } else if again || self.is_stuck(&job.event) {
            let due = self.now.mono + Duration::from_secs(20);
            self.lane.put_off(job, due);
        } else {
            self.remove(job.delivery);
            self.lane.end(&job);
        }
    }

    fn check_bounds(&self) {
        let lane = &self.lane;
        assert!(lane.held.len() <= self.bounds.deliveries);
        assert!(lane.sessions.len() <= self.bounds.deliveries);
        let sizes = lane.held.iter().filter_map(|id| self.pending.get(id));
        let sizes: usize = sizes.map(|event| event.event.body.len()).sum();
        assert!(sizes <= lane.bytes && lane.bytes <= self.bounds.bytes);
    }

    /// Lets all go well from now on, but for the heavy session if it is stuck.
    fn drain(&mut self) {
        for _ in 0..20 * (self.pending.len() + self.running.len() + 10) {
            self.take_page(false);
            self.read_page();
            self.advance(Duration::from_secs(20));
            self.start();
            while !self.running.is_empty() {
                self.settle(Pick(0), false);
                if !self.stuck {
                    self.start();
                }
            }
            self.check_bounds();
            if !self.pending.values().any(|event| !self.is_stuck(event))
                && (self.stuck || self.lane.sessions.len() == 0 && self.lane.is_empty())
            {
                return;
            }
        }
    }

    fn is_stuck(&self, event: &StoredEvent) -> bool {
        self.stuck && event.event.session_id.as_deref() == Some(HEAVY)
    }
}

fn pick() -> impl Strategy<Value = Pick> {
    (0usize..5040).prop_map(Pick)
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (4usize..24, 1usize..4, 40usize..400).prop_map(|(deliveries, page, bytes)| Bounds {
        deliveries,
        bytes: PAGE_BYTES + bytes,
        page,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: nothing is lost, doubled or out of
    /// order, and memory is bounded. One session that stands still for ever keeps
    /// no other from its end, and ends itself as soon as it can.
    #[test]
    fn a_session_that_stands_still_holds_back_only_itself(
        bounds in bounds(),
        stuck: bool,
        steps in prop::collection::vec((0u8..56, pick(), pick()), 1..400),
    ) {
        let mut model = Model::new(bounds);
        model.stuck = stuck;
        for (kind, one, two) in steps {
            model.step(kind, one, two);
        }
        model.stuck = true;
        model.drain();
        let heavy = model.pending.values().all(|event| model.is_stuck(event));
        // Without order, each of its deliveries stands still by itself.
        prop_assert!(heavy || !model.ordered, "{:?} never ran", model.pending.keys());

        model.stuck = false;
        model.drain();
        prop_assert!(model.pending.is_empty(), "{:?} never ran", model.pending.keys());
        prop_assert!(model.lane.is_empty());
        prop_assert_eq!(model.lane.sessions.len(), 0);
    }
}

const MANY: usize = 20_000;

/// A default lane that has read a store with so many deliveries of the heavy
/// session, each followed by one of each of the others. All are stuck.
fn full_of(others: &[&str]) -> Model {
    let mut model = Model::new(Bounds::default());
    for _ in 0..MANY {
        model.store(Some(HEAVY), 2);
        others.iter().for_each(|other| model.store(Some(other), 2));
    }
    while model.lane.behind {
        model.read_page();
        model.take_page(false);
    }
    model
}

/// Reads pages until there are none to read, and returns how many there were.
fn run_all(model: &mut Model) -> usize {
    model.stuck = false;
    let before = model.pages;
    let mut rounds = 0..2 * MANY;
    while !model.pending.is_empty() {
        rounds.next().expect("all of them run");
        model.start();
        while !model.running.is_empty() {
            model.settle(Pick(0), false);
            model.start();
        }
        model.read_page();
        model.take_page(false);
    }
    model.pages - before
}

#[test]
fn a_sessions_deliveries_are_read_twice_however_many_they_are() {
    let mut model = full_of(&[]);
    assert!(model.pages <= MANY / PAGE + 1);
    let again = run_all(&mut model);
    assert!(again <= MANY / PAGE + 1, "{again} pages");
}

#[test]
fn sessions_that_run_dry_together_share_what_is_read_again() {
    let others = ["one", "two", "three", "four", "five", "six", "seven"];
    let mut model = full_of(&others);
    let all = model.pages;
    let again = run_all(&mut model);
    assert!(again <= 2 * all, "{again} pages again, {all} before");
}

#[test]
fn sessions_that_stand_still_never_fill_a_lane() {
    let names: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let mut model = Model::new(Bounds::default());
    for _ in 0..20 {
        names.iter().for_each(|name| model.store(Some(name), 2));
    }
    model.store(Some("last"), 2);
    while model.lane.behind {
        model.read_page();
        assert!(model.page.is_some(), "there is room for a page");
        model.take_page(false);
    }
    let ready: Vec<Job> = std::iter::from_fn(|| model.lane.start()).collect();
    assert_eq!(ready.len(), 1001);
    assert_eq!(ready[1000].delivery, DeliveryId(20_001));
}

/// A session with a hundred deliveries in the store; of all but the first few the
/// lane has kept only which the first is.
fn skipping() -> Model {
    let mut model = Model::new(Bounds {
        deliveries: 16,
        page: 2,
        ..Bounds::default()
    });
    for _ in 0..100 {
        model.store(Some(HEAVY), 2);
    }
    while model.lane.behind {
        model.read_page();
        model.take_page(false);
    }
    model.stuck = false;
    model
}

/// Runs all that it has in memory; it needs a page then.
fn run_dry(model: &mut Model) {
    model.start();
    while !model.running.is_empty() {
        model.settle(Pick(0), false);
        model.start();
    }
    assert_eq!(model.lane.sessions.dry(), 1);
}

#[test]
fn what_came_in_without_order_and_ends_while_it_is_read_again_runs_once() {
    let mut model = skipping();
    run_dry(&mut model);
    model.set_ordered(false);
    model.commit(Pick(8), 2, false);
    let loose = model.lane.start().expect("it waits for no other");
    // What comes now is behind all that is skipped, so that it is among that.
    model.set_ordered(true);
    model.commit(Pick(8), 2, false);
    let between = loose.delivery;
    loop {
        model.read_page();
        let page = model.page.as_ref().expect("it is still to be read");
        if page.deliveries.iter().any(|it| it.delivery == between) {
            break;
        }
        model.take_page(false);
        run_dry(&mut model);
    }
    model.remove(between);
    model.lane.end(&loose);
    model.take_page(false);
    // None is started after its end.
    run_all(&mut model);
    assert!(model.lane.is_empty());
}

#[test]
fn what_is_offered_while_a_page_is_read_again_is_not_lost() {
    let mut model = skipping();
    while model.pending.len() > 1 {
        run_dry(&mut model);
        model.read_page();
        if model.pending.len() > 2 {
            model.take_page(false);
        } else {
            break;
        }
    }
    model.commit(Pick(8), 2, false);
    model.take_page(false);
    run_all(&mut model);
    assert!(model.lane.is_empty());
}

#[test]
fn a_dry_session_waits_for_one_page_of_each_of_the_others() {
    let mut model = full_of(&[]);
    let heavy = DeliveryId(model.last);
    for _ in 0..4 * PAGE {
        model.store(Some("other"), 2);
    }
    model.lane.fall_behind();
    while model.lane.behind {
        model.read_page();
        model.take_page(false);
    }
    model.stuck = false;
    // The other's are all after those of the heavy session.
    while model.pending.range(heavy..).nth(1).is_some() {
        model.start();
        while !model.running.is_empty() {
            model.settle(Pick(0), false);
            model.start();
        }
        model.read_page();
        model.take_page(false);
    }
    let left = model.pending.len();
    assert!(left > MANY / 2, "{left} of the heavy session's are left");
}
