//! What starts when, over all plugins. Pure: no clock, no store, no tasks. The
//! [`actor`](super::actor) tells it what happens and does what it says.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::Limits;
use super::handle::LaneId;
use super::job::Job;
use super::lane::Bounds;
use super::now::Now;
use super::retry::Attempts;
use super::slot::{Aftermath, Settled, Slot, Terms};
use super::turns::{EndpointIndex, Turns};
use super::versions::Version;
use crate::journal::{PendingPage, Routed};
use crate::types::{DeliveryId, EndpointName, PluginKey};

/// How many attempts may have ended without their outcome being stored yet.
const MAX_UNSETTLED: usize = 2048;

/// Plugins with their deliveries; `P` is a version of a plugin.
///
/// There is a slot for each plugin that is loaded, and for one that is gone as
/// long as attempts of it run.
pub(super) struct Scheduler<P> {
    limits: Limits,
    bounds: Bounds,
    slots: BTreeMap<LaneId, Slot<P>>,
    index: HashMap<PluginKey, LaneId>,
    next_lane: LaneId,
    turns: Turns,
    /// Attempts that hold an instance.
    running: usize,
    /// The sum of their memory limits.
    memory: u64,
    /// Attempts that run or whose outcome isn't stored.
    unsettled: usize,
    /// All that there have been: a host has few.
    endpoints: Vec<Endpoint>,
}

/// How often a plugin whose turn it is may be overtaken by others that need less
/// memory, until all wait for what it needs.
const MAX_OVERTAKEN: u32 = 16;

/// How many plugins that need more memory than there is are looked past at once.
const LOOK_PAST: usize = 16;

/// Where there are several endpoints, what one's attempts have of the memory stays
/// at so many times what is free: alone it comes to three quarters, and however
/// slow they are, something stays free for another's.
const MEMORY_SHARE: u64 = 3;

/// The attempts of an endpoint that hold an instance.
struct Endpoint {
    name: EndpointName,
    running: usize,
    /// The sum of their memory limits.
    memory: u64,
}

/// A page of the store that is to be read.
pub(super) struct WantedPage {
    pub(super) lane: LaneId,
    pub(super) key: Arc<PluginKey>,
    pub(super) manual: bool,
    pub(super) after: DeliveryId,
    pub(super) limit: usize,
}

/// An attempt that is to be made.
pub(super) struct Started<P> {
    pub(super) lane: LaneId,
    pub(super) key: Arc<PluginKey>,
    pub(super) plugin: P,
    pub(super) job: Job,
    pub(super) memory: u64,
}

impl<P: Version> Scheduler<P> {
    pub(super) fn new(limits: Limits, bounds: Bounds) -> Self {
        Self {
            limits,
            bounds,
            slots: BTreeMap::new(),
            index: HashMap::new(),
            next_lane: 0,
            turns: Turns::default(),
            running: 0,
            memory: 0,
            unsettled: 0,
            endpoints: Vec::new(),
        }
    }

    /// Deliveries of a plugin that isn't loaded wait in the store: its lane will
    /// start behind.
    pub(super) fn committed(&mut self, routed: Vec<Routed>) {
        for Routed {
            delivery,
            plugin,
            event,
        } in routed
        {
            if let Some(slot) = self.slot_of(&plugin) {
                let job = Job::new(delivery, event, Attempts::default());
                slot.lane(false).offer(job);
            }
        }
    }

    /// There may be deliveries in the store that were never announced: those above
    /// what is here, and any that an operator asked for.
    pub(super) fn reread(&mut self) {
        for slot in self.slots.values_mut() {
            slot.lane(false).fall_behind();
            slot.lane(true).rewind();
        }
    }

    /// The store has new deliveries that an operator asked for, wherever their
    /// ids are.
    pub(super) fn asked_for(&mut self, key: &PluginKey) {
        if let Some(slot) = self.slot_of(key) {
            slot.lane(true).rewind();
        }
    }

    /// From now on `plugin` runs the deliveries of `key`.
    pub(super) fn swap(&mut self, key: PluginKey, plugin: P, terms: Terms) {
        let lane = *self.index.entry(key.clone()).or_insert_with(|| {
            self.next_lane += 1;
            self.next_lane
        });
        let (endpoints, bounds) = (&mut self.endpoints, self.bounds);
        let slot = self.slots.entry(lane).or_insert_with(|| {
            let endpoint = endpoint_of(endpoints, &key.endpoint);
            Slot::new(key, endpoint, bounds)
        });
        slot.swap(plugin, terms);
    }

    /// No attempt starts for `key` from now on.
    pub(super) fn remove(&mut self, key: &PluginKey) {
        if let Some(&lane) = self.index.get(key) {
            if let Some(slot) = self.slots.get_mut(&lane) {
                slot.remove();
            }
            self.free_if_empty(lane);
        }
    }

    /// The pages that are to be read. A plugin that isn't loaded needs nothing in
    /// memory.
    pub(super) fn wanted_pages(&mut self) -> Vec<WantedPage> {
        let mut pages = Vec::new();
        for (&lane, slot) in &mut self.slots {
            if slot.version().is_none() {
                continue;
            }
            for manual in [false, true] {
                let limit = slot.lane(manual).page_size();
                if let Some(after) = slot.lane(manual).next_page() {
                    pages.push(WantedPage {
                        lane,
                        key: Arc::clone(&slot.key),
                        manual,
                        after,
                        limit,
                    });
                }
            }
        }
        pages
    }

    /// A wanted page is there, or could not be read. A lane that is gone has left
    /// its deliveries to the store.
    pub(super) fn page(&mut self, lane: LaneId, manual: bool, page: Option<PendingPage>, now: Now) {
        let Some(slot) = self.slots.get_mut(&lane) else {
            return;
        };
        match (page, slot.version()) {
            (Some(page), Some((_, terms))) => {
                let longest = terms.longest_wait;
                slot.lane(manual).take_page(page, now, longest);
            }
            (None, _) | (_, None) => slot.lane(manual).page_failed(),
        }
    }

    /// Makes ready what is due, and gives each plugin its turn that has something
    /// to start. So nothing else has to think of that.
    pub(super) fn wake(&mut self, now: Instant) {
        for (&lane, slot) in &mut self.slots {
            slot.wake(now);
            if slot.waits(now) {
                self.turns.add(slot.endpoint, lane);
            }
        }
    }

    /// The next attempt to make, if there is room for one.
    pub(super) fn start(&mut self, now: Instant) -> Option<Started<P>> {
        let started = self.start_next(now);
        for lane in self.turns.restore() {
            if started.is_some()
                && let Some(slot) = self.slots.get_mut(&lane)
            {
                slot.overtaken += 1;
            }
        }
        started
    }

    fn start_next(&mut self, now: Instant) -> Option<Started<P>> {
        while self.running < self.limits.attempts && self.unsettled < MAX_UNSETTLED {
            let (endpoint, lane) = self.turns.front()?;
            if self.endpoints[endpoint].running >= self.limits.attempts_per_endpoint {
                self.turns.pass_endpoint();
                continue;
            }
            let Some(slot) = self.slots.get_mut(&lane) else {
                self.turns.pass();
                continue;
            };
            let Some((plugin, terms)) = slot.version().cloned() else {
                self.turns.pass();
                continue;
            };
            if slot.running >= terms.concurrency || !slot.waits(now) {
                self.turns.pass();
                continue;
            }
            // Its own endpoint waits for that, and nobody else.
            if self.endpoints.len() > 1 {
                let Endpoint {
                    running, memory, ..
                } = self.endpoints[endpoint];
                let used = self.memory + terms.memory;
                let free = self.limits.memory_budget.saturating_sub(used);
                if running > 0 && memory + terms.memory > free.saturating_mul(MEMORY_SHARE) {
                    self.turns.pass_endpoint();
                    continue;
                }
            }
            // A single attempt may exceed the budget if nothing else runs.
            let over_budget = self.memory + terms.memory > self.limits.memory_budget;
            if over_budget && self.running > 0 {
                if slot.overtaken >= MAX_OVERTAKEN || self.turns.aside() >= LOOK_PAST {
                    return None;
                }
                self.turns.set_aside();
                continue;
            }
            let Some(job) = slot.start(now) else {
                self.turns.pass();
                continue;
            };
            slot.overtaken = 0;
            slot.running += 1;
            self.endpoints[endpoint].running += 1;
            self.endpoints[endpoint].memory += terms.memory;
            self.running += 1;
            self.unsettled += 1;
            self.memory += terms.memory;
            self.turns.started(slot.waits(now));
            return Some(Started {
                lane,
                key: Arc::clone(&slot.key),
                plugin,
                job,
                memory: terms.memory,
            });
        }
        None
    }

    /// An attempt holds no instance any more, and this memory limit.
    pub(super) fn slot_free(&mut self, lane: LaneId, memory: u64) {
        self.running -= 1;
        self.memory -= memory;
        // The slot is there: the delivery isn't settled.
        if let Some(slot) = self.slots.get_mut(&lane) {
            slot.running -= 1;
            self.endpoints[slot.endpoint].running -= 1;
            self.endpoints[slot.endpoint].memory -= memory;
        }
    }

    /// A delivery is through with its attempt.
    pub(super) fn settled(
        &mut self,
        lane: LaneId,
        job: Job,
        settled: Settled,
        now: Instant,
    ) -> Aftermath<P> {
        self.unsettled -= 1;
        let Some(slot) = self.slots.get_mut(&lane) else {
            return Aftermath::default();
        };
        let aftermath = slot.settled(job, settled, now);
        self.free_if_empty(lane);
        aftermath
    }

    /// How many attempts run or aren't settled.
    pub(super) fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Whether anything could start if there were room for it.
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.slots.values().any(|slot| slot.waits(now))
    }

    /// When there is something to do that no message tells.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let due = self.slots.values().filter_map(|slot| slot.next_due(now));
        due.min()
    }

    pub(super) fn slot(&self, lane: LaneId) -> Option<&Slot<P>> {
        self.slots.get(&lane)
    }

    fn slot_of(&mut self, key: &PluginKey) -> Option<&mut Slot<P>> {
        self.slots.get_mut(self.index.get(key)?)
    }

    fn free_if_empty(&mut self, lane: LaneId) {
        let slot = self.slots.get(&lane);
        if slot.is_some_and(|slot| slot.version().is_none() && slot.is_empty())
            && let Some(slot) = self.slots.remove(&lane)
        {
            self.index.remove(&*slot.key);
        }
    }
}

fn endpoint_of(endpoints: &mut Vec<Endpoint>, name: &EndpointName) -> EndpointIndex {
    let known = endpoints.iter().position(|one| one.name == *name);
    known.unwrap_or_else(|| {
        endpoints.push(Endpoint {
            name: name.clone(),
            running: 0,
            memory: 0,
        });
        endpoints.len() - 1
    })
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
