//! The scheduler against a simple model: a store that knows what is pending.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::dispatch::breaker::{BreakerPolicy, Change, Evidence};
use crate::dispatch::contention::Claim;
use crate::dispatch::probation::RollbackPolicy;
use crate::dispatch::slot::Met;
use crate::dispatch::tests::event_of;
use crate::journal::Pending;
use crate::types::effects::KvKey;
use crate::types::{Payload, PluginName, StoredEvent, UnixMicros};

fn bounds() -> impl Strategy<Value = Bounds> {
    let bounds = |(deliveries, page)| Bounds {
        deliveries,
        bytes: usize::MAX,
        page,
    };
    (5usize..16, 1usize..4).prop_map(bounds)
}

const LIMITS: Limits = Limits {
    attempts: 5,
    attempts_per_endpoint: 4,
    memory_budget: 50,
    drain: Duration::ZERO,
};

const CONCURRENCY: usize = 3;

impl Version for () {
    fn under(&self, (): &Self) -> Self {}
}

fn terms() -> Terms {
    Terms {
        content: [0; 32],
        concurrency: CONCURRENCY,
        memory: 10,
        ordered: true,
        longest_wait: Duration::from_secs(300),
        breaker: BreakerPolicy {
            failures: 4,
            ..BreakerPolicy::default()
        },
        rollback: RollbackPolicy::default(),
    }
}

fn plugin(endpoint: &str, name: &str) -> PluginKey {
    PluginKey {
        endpoint: EndpointName::new(endpoint).expect("a good name"),
        plugin: PluginName::new(name).expect("a good name"),
    }
}

fn stored_event(session: Option<&str>) -> StoredEvent {
    event_of(session, "x", Bytes::new(), Payload::Other)
}

fn routed(plugin: &PluginKey, delivery: i64, session: Option<&str>) -> Routed {
    Routed {
        delivery: DeliveryId(delivery),
        plugin: plugin.clone(),
        event: stored_event(session),
    }
}

/// A choice among however many there are.
#[derive(Clone, Copy, Debug)]
struct Pick(usize);

impl Pick {
    fn index(self, count: usize) -> usize {
        self.0 % count
    }
}

fn pick() -> impl Strategy<Value = Pick> {
    (0usize..5040).prop_map(Pick)
}

/// A pending delivery.
#[derive(Clone)]
struct Stored {
    plugin: PluginKey,
    event: StoredEvent,
    manual: bool,
}

/// An attempt that isn't settled.
struct Running {
    started: Started<()>,
    holds_slot: bool,
    /// Its end is in the store, but the scheduler doesn't know.
    stored: bool,
}

struct Model {
    scheduler: Scheduler<()>,
    bounds: Bounds,
    /// Whether no delivery of the first plugin's session 1 ever ends.
    stuck: bool,
    now: Now,
    plugins: [PluginKey; 3],
    pending: BTreeMap<DeliveryId, Stored>,
    ended: Vec<(DeliveryId, Stored)>,
    pages: Vec<(LaneId, bool, PendingPage)>,
    running: Vec<Running>,
    last: i64,
}

impl Model {
    fn new(bounds: Bounds) -> Self {
        let plugins = [plugin("a", "one"), plugin("a", "two"), plugin("b", "three")];
        let mut scheduler = Scheduler::new(LIMITS, bounds);
        for plugin in &plugins {
            scheduler.swap(plugin.clone(), (), terms());
        }
        Self {
            scheduler,
            bounds,
            stuck: true,
            now: Now {
                wall: UnixMicros(0),
                mono: Instant::now(),
            },
            plugins,
            pending: BTreeMap::new(),
            ended: Vec::new(),
            pages: Vec::new(),
            running: Vec::new(),
            last: 0,
        }
    }

    /// One step, of a kind and with two choices.
    fn step(&mut self, kind: u8, one: Pick, two: Pick) {
        let plugin = self.plugins[one.index(3)].clone();
        match kind {
            0..=7 => self.commit(plugin, [0, 1, 1, 1, 1, 2, 3, 4][two.index(8)], kind == 7),
            8 => self.ask_for(plugin, two),
            9..=11 => self.read_pages(),
            12..=15 => self.take_page(one, two.index(8) == 0),
            16..=22 => self.start(),
            23..=25 => self.free_slot(one),
            26..=31 => self.store_end(one),
            32..=39 => self.settle(one, two.index(6)),
            40 => self.scheduler.remove(&plugin),
            41..=42 => {
                let content = [u8::try_from(two.index(4)).expect("small"); 32];
                let terms = Terms { content, ..terms() };
                self.scheduler.swap(plugin, (), terms);
            }
            _ => self.advance(Duration::from_secs(two.index(60) as u64)),
        }
        self.check_bounds();
    }

    fn advance(&mut self, by: Duration) {
        self.now.mono += by;
        self.now.wall = self.now.wall.after(by);
    }

    fn commit(&mut self, plugin: PluginKey, session: usize, lost: bool) {
        self.last += 1;
        let session = (session > 0).then(|| session.to_string());
        let routed = routed(&plugin, self.last, session.as_deref());
        let stored = Stored {
            plugin,
            event: routed.event.clone(),
            manual: false,
        };
        self.pending.insert(routed.delivery, stored);
        if lost {
            self.scheduler.reread();
        } else {
            self.scheduler.committed(vec![routed]);
        }
    }

    /// An operator has something run again, or a new delivery made.
    fn ask_for(&mut self, plugin: PluginKey, choice: Pick) {
        let (delivery, mut stored) = if self.ended.is_empty() || choice.index(3) == 0 {
            self.last += 1;
            let event = stored_event(Some("1"));
            let manual = true;
            (
                DeliveryId(self.last),
                Stored {
                    plugin,
                    event,
                    manual,
                },
            )
        } else {
            self.ended.swap_remove(choice.index(self.ended.len()))
        };
        stored.manual = true;
        let key = stored.plugin.clone();
        self.pending.insert(delivery, stored);
        self.scheduler.asked_for(&key);
    }

    fn read_pages(&mut self) {
        for wanted in self.scheduler.wanted_pages() {
            let fits = |(id, stored): &(&DeliveryId, &Stored)| {
                **id > wanted.after
                    && stored.plugin == *wanted.key
                    && stored.manual == wanted.manual
            };
            let found = self.pending.iter().filter(fits).take(wanted.limit);
            let deliveries: Vec<Pending> = found
                .map(|(&delivery, stored)| Pending {
                    delivery,
                    event: stored.event.clone(),
                    failed_attempts: 0,
                    traps: 0,
                    due_at: None,
                })
                .collect();
            let more = deliveries.len() == wanted.limit;
            let page = PendingPage { deliveries, more };
            self.pages.push((wanted.lane, wanted.manual, page));
        }
    }

    fn take_page(&mut self, pick: Pick, fails: bool) {
        if !self.pages.is_empty() {
            let (lane, manual, page) = self.pages.swap_remove(pick.index(self.pages.len()));
            let page = (!fails).then_some(page);
            self.scheduler.page(lane, manual, page, self.now);
        }
    }

    fn start(&mut self) {
        self.scheduler.wake(self.now.mono);
        while let Some(started) = self.scheduler.start(self.now.mono) {
            self.check_start(&started);
            self.running.push(Running {
                started,
                holds_slot: true,
                stored: false,
            });
        }
    }

    fn check_start(&self, started: &Started<()>) {
        let job = &started.job;
        let stored = self.pending.get(&job.delivery);
        let stored = stored.expect("what has ended isn't started again");
        assert_eq!(stored.manual, job.manual);
        let claims = |job: &Job| -> BTreeSet<Claim> {
            let contest = job.contest.as_ref();
            contest.map_or_else(BTreeSet::new, |contest| contest.claims.clone())
        };
        let of_plugin = |other: &&Running| other.started.key == started.key;
        for other in self.running.iter().filter(of_plugin) {
            let other_job = &other.started.job;
            assert!(
                other_job.delivery != job.delivery || other.stored,
                "{} runs twice",
                job.delivery
            );
            assert!(claims(other_job).is_disjoint(&claims(job)));
        }
        let session = &job.event.event.session_id;
        if job.manual || session.is_none() {
            return;
        }
        let earlier = self.pending.range(..job.delivery).any(|(_, other)| {
            !other.manual
                && other.plugin == *started.key
                && other.event.event.session_id == *session
        });
        assert!(!earlier, "{} is not the session's first", job.delivery);
    }

    fn free_slot(&mut self, pick: Pick) {
        if !self.running.is_empty() {
            self.free_slot_at(pick.index(self.running.len()));
        }
    }

    fn store_end(&mut self, pick: Pick) {
        if !self.running.is_empty() {
            let place = pick.index(self.running.len());
            let job = &self.running[place].started.job;
            if self
                .pending
                .get(&job.delivery)
                .is_some_and(|it| self.is_stuck(it))
            {
                return;
            }
            let running = &mut self.running[place];
            if !std::mem::replace(&mut running.stored, true) {
                let delivery = running.started.job.delivery;
                let stored = self.pending.remove(&delivery);
                self.ended.push((delivery, stored.expect("it was pending")));
            }
        }
    }

    fn settle(&mut self, pick: Pick, how: usize) {
        if self.running.is_empty() {
            return;
        }
        let place = pick.index(self.running.len());
        self.free_slot_at(place);
        let Running {
            mut started,
            stored,
            ..
        } = self.running.swap_remove(place);
        let at = KvKey {
            bucket: "b".into(),
            key: (how % 2).to_string(),
        };
        let evidence = [Evidence::Works, Evidence::Traps, Evidence::Nothing][how % 3];
        let settled = if stored {
            Settled::Ended(evidence)
        } else {
            match how {
                0 | 1 => Settled::PutOff(self.now.mono + Duration::from_secs(5), evidence),
                2 | 3 => Settled::Conflict(Met::Claimed(Claim::Key(at)), 0.5),
                _ => Settled::Conflict(Met::Changed(at), 0.5),
            }
        };
        if evidence == Evidence::Traps && started.job.trial.is_some() {
            started.job.trap = Some("it trapped".into());
        }
        let now = self.now.mono;
        self.scheduler
            .settled(started.lane, started.job, settled, now);
    }

    fn free_slot_at(&mut self, place: usize) {
        let running = &mut self.running[place];
        if std::mem::take(&mut running.holds_slot) {
            let Started { lane, memory, .. } = running.started;
            self.scheduler.slot_free(lane, memory);
        }
    }

    fn check_bounds(&mut self) {
        let holding = || self.running.iter().filter(|running| running.holds_slot);
        assert!(holding().count() <= LIMITS.attempts);
        for plugin in &self.plugins {
            let of_plugin = holding().filter(|running| *running.started.key == *plugin);
            assert!(of_plugin.count() <= CONCURRENCY);
            let endpoint = &plugin.endpoint;
            let of_endpoint = holding().filter(|one| one.started.key.endpoint == *endpoint);
            assert!(of_endpoint.count() <= LIMITS.attempts_per_endpoint);
        }
        for slot in self.scheduler.slots.values_mut() {
            for manual in [false, true] {
                assert!(slot.lane(manual).len() <= self.bounds.deliveries);
            }
        }
    }

    fn is_stuck(&self, stored: &Stored) -> bool {
        let session = stored.event.event.session_id.as_deref();
        let there = stored.plugin == self.plugins[0] && session == Some("1");
        self.stuck && there && !stored.manual
    }

    /// Lets everything go well from now on, but for what is stuck.
    fn drain(&mut self) {
        for plugin in self.plugins.clone() {
            self.scheduler.swap(plugin, (), terms());
        }
        let (first, works) = (Pick(0), 0);
        // Each round ends at least one delivery, or reads pages and waits.
        for _ in 0..20 * (self.pending.len() + self.running.len() + 10) {
            self.advance(Duration::from_secs(300));
            self.read_pages();
            while !self.pages.is_empty() {
                self.take_page(first, false);
            }
            self.start();
            while !self.running.is_empty() {
                self.store_end(first);
                self.settle(first, works);
                self.start();
            }
            self.check_bounds();
            if !self.pending.values().any(|stored| !self.is_stuck(stored)) {
                return;
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<(u8, Pick, Pick)>> {
    prop::collection::vec((0u8..46, pick(), pick()), 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: no session has two at once or out of
    /// order, nothing starts that has ended or runs, all bounds hold, a session that
    /// stands still holds back only itself, and in the end everything has run and
    /// nothing is left in memory.
    #[test]
    fn nothing_is_lost_doubled_or_out_of_order(bounds in bounds(), stuck: bool, steps in steps()) {
        let mut model = Model::new(bounds);
        model.stuck = stuck;
        for (kind, one, two) in steps {
            model.step(kind, one, two);
        }
        model.stuck = true;
        model.drain();
        let held_back = model.pending.values().filter(|it| !model.is_stuck(it));
        prop_assert_eq!(held_back.count(), 0, "{:?} are left", model.pending.keys());

        model.stuck = false;
        model.drain();
        prop_assert!(model.pending.is_empty(), "{:?} never ran", model.pending.keys());
        prop_assert_eq!(model.scheduler.unsettled(), 0);
        prop_assert!(model.scheduler.slots.values().all(Slot::is_empty));
        prop_assert!(model.scheduler.slots.values().all(|slot| slot.contention().lock().is_empty()));
    }
}

/// A scheduler in which so many attempts run at once.
fn narrow(attempts: usize) -> Scheduler<()> {
    let limits = Limits { attempts, ..LIMITS };
    Scheduler::new(limits, Bounds::default())
}

/// Adds a plugin whose lane has seen that the store is empty.
fn load(scheduler: &mut Scheduler<()>, key: &PluginKey, now: Now) {
    scheduler.swap(key.clone(), (), terms());
    for page in scheduler.wanted_pages() {
        let empty = PendingPage::default();
        scheduler.page(page.lane, page.manual, Some(empty), now);
    }
}

/// Runs one attempt after the other; returns whose they were.
fn run_all(scheduler: &mut Scheduler<()>, now: Now) -> Vec<Arc<PluginKey>> {
    let mut order = Vec::new();
    loop {
        scheduler.wake(now.mono);
        let Some(started) = scheduler.start(now.mono) else {
            return order;
        };
        scheduler.slot_free(started.lane, started.memory);
        let ended = Settled::Ended(Evidence::Works);
        scheduler.settled(started.lane, started.job, ended, now.mono);
        order.push(started.key);
    }
}

#[test]
fn an_endpoint_with_many_busy_plugins_does_not_starve_another() {
    let now = Now::read();
    let mut scheduler = narrow(1);
    let crowd: Vec<_> = (0..10).map(|n| plugin("crowd", &format!("p{n}"))).collect();
    let alone = plugin("alone", "only");
    let mut delivery = 0;
    for key in crowd.iter().chain([&alone]) {
        load(&mut scheduler, key, now);
        for _ in 0..30 {
            delivery += 1;
            scheduler.committed(vec![routed(key, delivery, None)]);
        }
    }
    let order = run_all(&mut scheduler, now);
    assert_eq!(order.len(), 11 * 30);
    let first: Vec<_> = order[..60].iter().filter(|key| ***key == alone).collect();
    assert_eq!(first.len(), 30, "every second turn is its own");
    for key in &crowd {
        let turns = order[..60].iter().filter(|other| ***other == *key);
        assert_eq!(turns.count(), 3, "its plugins take turns as well");
    }
}

#[test]
fn a_paused_plugin_starts_nothing_until_its_probe_and_others_go_on() {
    let now = Now::read();
    let (broken, fine) = (plugin("a", "broken"), plugin("a", "fine"));
    let mut scheduler = narrow(1);
    load(&mut scheduler, &broken, now);
    load(&mut scheduler, &fine, now);
    for delivery in 1..=20 {
        scheduler.committed(vec![routed(&broken, delivery, None)]);
    }
    let fail = |scheduler: &mut Scheduler<()>, at: Instant| {
        scheduler.wake(at);
        let started = scheduler.start(at)?;
        scheduler.slot_free(started.lane, started.memory);
        let failed = Settled::Ended(Evidence::Fails);
        let aftermath = scheduler.settled(started.lane, started.job, failed, at);
        aftermath.change
    };
    for _ in 0..3 {
        assert_eq!(fail(&mut scheduler, now.mono), None);
    }
    let pause = BreakerPolicy::default().pause;
    assert_eq!(fail(&mut scheduler, now.mono), Some(Change::Opened(pause)));
    scheduler.committed(vec![routed(&fine, 21, None)]);
    assert_eq!(run_all(&mut scheduler, now).len(), 1, "the other's");
    let until = now.mono + pause;
    assert_eq!(scheduler.next_due(now.mono), Some(until));
    assert_eq!(fail(&mut scheduler, until), Some(Change::Opened(2 * pause)));
    let later = Now {
        mono: until + 2 * pause,
        ..now
    };
    assert_eq!(run_all(&mut scheduler, later).len(), 20 - 5);
}

/// Attempts of one plugin need `LARGE` memory, those of the others 10.
const LARGE: u64 = 40;

fn load_with(scheduler: &mut Scheduler<()>, key: &PluginKey, memory: u64, now: Now) {
    load(scheduler, key, now);
    let terms = Terms { memory, ..terms() };
    scheduler.swap(key.clone(), (), terms);
}

#[test]
fn attempts_that_never_end_leave_memory_to_other_endpoints() {
    let now = Now::read();
    let limits = Limits {
        attempts: 100,
        attempts_per_endpoint: 100,
        memory_budget: 160,
        ..LIMITS
    };
    let mut scheduler: Scheduler<()> = Scheduler::new(limits, Bounds::default());
    let crowd: Vec<_> = (0..10).map(|n| plugin("crowd", &format!("p{n}"))).collect();
    let alone = plugin("alone", "only");
    for key in crowd.iter().chain([&alone]) {
        load_with(&mut scheduler, key, 10, now);
    }
    let mut delivery = 0;
    for key in crowd.iter().cycle().take(30) {
        delivery += 1;
        scheduler.committed(vec![routed(key, delivery, None)]);
    }
    scheduler.wake(now.mono);
    let stuck = std::iter::from_fn(|| scheduler.start(now.mono)).count();
    assert_eq!(stuck, 12, "three quarters");
    for _ in 0..50 {
        delivery += 1;
        scheduler.committed(vec![routed(&alone, delivery, None)]);
    }
    let order = run_all(&mut scheduler, now);
    assert_eq!(order.len(), 50);
    assert!(order.iter().all(|key| **key == alone));
}

proptest! {
    /// Whoever needs more memory than there is lets others overtake, but each
    /// time that it is its turn only so often; the budget holds, and something
    /// always runs.
    #[test]
    fn who_needs_much_memory_stops_nobody_and_is_not_starved(
        large in prop::collection::vec(any::<bool>(), 2..8),
        crowded: bool,
        ends in prop::collection::vec(pick(), 1..600),
    ) {
        let now = Now::read();
        let limits = Limits { attempts_per_endpoint: 5, ..LIMITS };
        let mut scheduler: Scheduler<()> = Scheduler::new(limits, Bounds::default());
        let endpoint = |n: usize| if crowded { "a".to_owned() } else { format!("e{n}") };
        let keys: Vec<_> = (0..large.len()).map(|n| plugin(&endpoint(n), &format!("p{n}"))).collect();
        let mut delivery = 0;
        for (key, large) in keys.iter().zip(&large) {
            load_with(&mut scheduler, key, if *large { LARGE } else { 10 }, now);
            for _ in 0..700 {
                delivery += 1;
                scheduler.committed(vec![routed(key, delivery, None)]);
            }
        }
        let mut running: Vec<Started<()>> = Vec::new();
        // How many others have started since each did.
        let mut since: BTreeMap<PluginKey, usize> = keys.iter().map(|key| (key.clone(), 0)).collect();
        for end in ends {
            scheduler.wake(now.mono);
            while let Some(started) = scheduler.start(now.mono) {
                since.values_mut().for_each(|count| *count += 1);
                since.insert((*started.key).clone(), 0);
                running.push(started);
            }
            let memory: u64 = running.iter().map(|started| started.memory).sum();
            prop_assert!(!running.is_empty() && memory <= LIMITS.memory_budget);
            // Each plugin has its turn among the others, and is overtaken so often.
            let turns = keys.len() * (MAX_OVERTAKEN as usize + 2) * keys.len();
            prop_assert!(since.values().all(|&count| count <= turns), "{:?}", since);
            let Started { lane, memory, job, .. } = running.swap_remove(end.index(running.len()));
            scheduler.slot_free(lane, memory);
            scheduler.settled(lane, job, Settled::Ended(Evidence::Works), now.mono);
        }
    }
}

#[test]
fn while_one_waits_for_memory_others_start_until_it_has_waited_long_enough() {
    let now = Now::read();
    let (large, small) = (plugin("a", "large"), plugin("b", "small"));
    let mut scheduler = narrow(5);
    load_with(&mut scheduler, &small, 10, now);
    load_with(&mut scheduler, &large, LARGE, now);
    for delivery in 1..=100 {
        scheduler.committed(vec![routed(&small, delivery, None)]);
    }
    scheduler.wake(now.mono);
    let mut running: VecDeque<_> = (0..2)
        .map(|_| scheduler.start(now.mono).expect("there is room"))
        .collect();
    scheduler.committed(vec![routed(&large, 101, None)]);
    let mut overtaken = 0;
    loop {
        scheduler.wake(now.mono);
        while let Some(started) = scheduler.start(now.mono) {
            if *started.key == large {
                // One of them had its turn first.
                assert_eq!(overtaken, MAX_OVERTAKEN + 1);
                return;
            }
            overtaken += 1;
            running.push_back(started);
        }
        let started = running.pop_front().expect("something runs");
        scheduler.slot_free(started.lane, started.memory);
        let ended = Settled::Ended(Evidence::Works);
        scheduler.settled(started.lane, started.job, ended, now.mono);
    }
}
