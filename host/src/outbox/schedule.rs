//! Whose requests are sent next. Pure: no time, no store.
//!
//! Plugins take turns. A turn gives a plugin the room that is left of its own
//! share and of the whole; one that has requests in flight up to its share is
//! passed over until one of them ends. Where there are several endpoints, the
//! plugins of one, however many and however slow their other sides are, leave room
//! for another's.
//!
//! The store keeps moments of the wall clock, which can be set back: what is due
//! later than any delay can have put it off to is due at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use crate::types::{EndpointName, OutboxId, PluginKey, UnixMicros};

/// An endpoint's requests in flight stay at so many times the room that is left.
const ENDPOINT_PART: usize = 7;

/// Who has requests, and which are in flight.
#[derive(Debug)]
pub struct Schedule {
    per_plugin: usize,
    total: usize,
    /// Nothing is put off for longer.
    longest: Duration,
    in_flight: usize,
    plugins: BTreeMap<PluginKey, Share>,
    /// Who had the last turn.
    last: Option<PluginKey>,
    /// Whether more than one endpoint has had requests.
    several: bool,
}

#[derive(Debug, Default)]
struct Share {
    in_flight: BTreeSet<OutboxId>,
    /// When its next request that isn't in flight is due.
    due: Option<UnixMicros>,
}

/// A plugin's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whose.
    pub plugin: PluginKey,
    /// Its requests that are in flight.
    pub known: Vec<OutboxId>,
    /// How many more may be.
    pub limit: usize,
    /// Up to which moment they may be due: now, unless the clock was set back.
    pub until: UnixMicros,
}

impl Schedule {
    /// An empty one; no request is put off for longer than `longest`.
    #[must_use]
    pub fn new(per_plugin: usize, total: usize, longest: Duration) -> Self {
        Self {
            per_plugin,
            total,
            longest,
            in_flight: 0,
            plugins: BTreeMap::new(),
            last: None,
            several: false,
        }
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether what the store says is due at `due` is to be sent at `now`.
    #[must_use]
    pub fn is_due(&self, due: UnixMicros, now: UnixMicros) -> bool {
        due <= now || due > now.after(self.longest)
    }

    /// Takes the store's word for who has requests and when they are due.
    pub fn refresh(&mut self, listed: Vec<(PluginKey, UnixMicros)>) {
        self.plugins.retain(|_, share| {
            share.due = None;
            !share.in_flight.is_empty()
        });
        for (plugin, due) in listed {
            self.plugins.entry(plugin).or_default().due = Some(due);
        }
        // They are in the order of their endpoints.
        let (first, last) = (self.plugins.keys().next(), self.plugins.keys().next_back());
        self.several |= first.map(|key| &key.endpoint) != last.map(|key| &key.endpoint);
    }

    /// How many more requests of each endpoint with some in flight may be.
    fn rooms(&self) -> BTreeMap<&EndpointName, usize> {
        let mut rooms = BTreeMap::new();
        if self.several {
            for (key, share) in &self.plugins {
                *rooms.entry(&key.endpoint).or_default() += share.in_flight.len();
            }
        }
        let all = self.total.saturating_sub(self.in_flight) * ENDPOINT_PART;
        for room in rooms.values_mut() {
            let its = *room;
            *room = all.saturating_sub(its) / (ENDPOINT_PART + 1);
            if its == 0 {
                *room = (*room).max(1);
            }
        }
        rooms
    }

    /// The next plugin that has something due at `now`, room for it, and is
    /// `ready`.
    #[must_use]
    pub fn turn(&mut self, now: UnixMicros, ready: impl Fn(&PluginKey) -> bool) -> Option<Turn> {
        let room = self.total.saturating_sub(self.in_flight);
        if room == 0 {
            return None;
        }
        let rooms = self.rooms();
        let room_of = |plugin: &PluginKey| {
            let room_of_endpoint = rooms.get(&plugin.endpoint).copied();
            room_of_endpoint.map_or(room, |its| its.min(room))
        };
        let from = match &self.last {
            Some(last) => Bound::Excluded(last),
            None => Bound::Unbounded,
        };
        let after = self.plugins.range::<PluginKey, _>((from, Bound::Unbounded));
        // All of them once more: those up to the last one come after the others.
        let (plugin, share, due) = after.chain(&self.plugins).find_map(|(plugin, share)| {
            let due = share.due.filter(|due| self.is_due(*due, now))?;
            let takes = share.in_flight.len() < self.per_plugin && room_of(plugin) > 0;
            let takes = takes && ready(plugin);
            takes.then_some((plugin, share, due))
        })?;
        let turn = Turn {
            plugin: plugin.clone(),
            known: share.in_flight.iter().copied().collect(),
            limit: room_of(plugin).min(self.per_plugin - share.in_flight.len()),
            until: due.max(now),
        };
        self.last = Some(turn.plugin.clone());
        Some(turn)
    }

    /// A turn has been used: these requests are in flight now, and the plugin's
    /// next one is due then.
    pub fn took(
        &mut self,
        plugin: &PluginKey,
        started: impl IntoIterator<Item = OutboxId>,
        next_due: Option<UnixMicros>,
    ) {
        let share = self.plugins.entry(plugin.clone()).or_default();
        let before = share.in_flight.len();
        share.in_flight.extend(started);
        self.in_flight += share.in_flight.len() - before;
        share.due = next_due;
    }

    /// A request isn't in flight any more; it is due again then.
    pub fn ended(&mut self, plugin: &PluginKey, request: OutboxId, again: Option<UnixMicros>) {
        let Some(share) = self.plugins.get_mut(plugin) else {
            return;
        };
        if share.in_flight.remove(&request) {
            self.in_flight -= 1;
        }
        share.due = match (share.due, again) {
            (Some(due), Some(again)) => Some(due.min(again)),
            (due, again) => due.or(again),
        };
        if share.due.is_none() && share.in_flight.is_empty() {
            self.plugins.remove(plugin);
        }
    }

    /// When the first request for which there is room is due, and whether its
    /// plugin is ready: of those that are and those that aren't.
    #[must_use]
    pub fn next_due(
        &self,
        now: UnixMicros,
        ready: impl Fn(&PluginKey) -> bool,
    ) -> (Option<UnixMicros>, Option<UnixMicros>) {
        let mut first = (None::<UnixMicros>, None::<UnixMicros>);
        if self.in_flight >= self.total {
            return first;
        }
        let rooms = self.rooms();
        for (plugin, share) in &self.plugins {
            let Some(due) = share.due else { continue };
            let full = rooms.get(&plugin.endpoint) == Some(&0);
            if full || share.in_flight.len() >= self.per_plugin {
                continue;
            }
            let due = if self.is_due(due, now) { now } else { due };
            let slot = if ready(plugin) {
                &mut first.0
            } else {
                &mut first.1
            };
            *slot = Some(slot.map_or(due, |first| first.min(due)));
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::{EndpointName, PluginName};

    const NOW: UnixMicros = UnixMicros(1000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn plugin(name: &str) -> PluginKey {
        PluginKey {
            endpoint: EndpointName::default_endpoint(),
            plugin: PluginName::new(name).expect("a name"),
        }
    }

    fn due(names: &[&str]) -> Vec<(PluginKey, UnixMicros)> {
        names.iter().map(|name| (plugin(name), NOW)).collect()
    }

    fn all(_: &PluginKey) -> bool {
        true
    }

    #[test]
    fn plugins_take_turns_within_their_shares() {
        let mut schedule = Schedule::new(2, 3, HOUR);
        schedule.refresh(due(&["a", "b"]));
        let first = schedule.turn(NOW, all).expect("a turn");
        assert_eq!((first.plugin.clone(), first.limit), (plugin("a"), 2));
        schedule.took(&first.plugin, [OutboxId(1), OutboxId(2)], Some(NOW));
        let second = schedule.turn(NOW, all).expect("a turn");
        assert_eq!((second.plugin.clone(), second.limit), (plugin("b"), 1));
        schedule.took(&second.plugin, [OutboxId(3)], Some(NOW));
        assert_eq!(schedule.turn(NOW, all), None, "all room is used");
        schedule.ended(&plugin("a"), OutboxId(1), None);
        // b had the last turn; a has room for one.
        let third = schedule.turn(NOW, all).expect("a turn");
        assert_eq!(third.plugin, plugin("a"));
        assert_eq!((third.known, third.limit), (vec![OutboxId(2)], 1));
    }

    #[test]
    fn an_endpoint_whose_requests_never_end_leaves_room_to_another() {
        let other = PluginKey {
            endpoint: EndpointName::new("other").expect("a name"),
            ..plugin("only")
        };
        let mut schedule = Schedule::new(4, 32, HOUR);
        let names: Vec<_> = (0..100).map(|at| format!("p{at}")).collect();
        let crowd = names.iter().map(|name| (plugin(name), NOW));
        schedule.refresh(crowd.chain([(other.clone(), NOW)]).collect());
        let (mut next_id, mut its) = (0, 0);
        while let Some(turn) = schedule.turn(NOW, |key| *key != other) {
            let ids: Vec<_> = (0..turn.limit as i64)
                .map(|at| OutboxId(next_id + at))
                .collect();
            next_id += 100;
            its += ids.len();
            schedule.took(&turn.plugin, ids, Some(NOW));
        }
        assert_eq!(its, 28);
        let crowd = |key: &PluginKey| *key != other;
        assert_eq!(schedule.next_due(NOW, crowd), (None, Some(NOW)));
        let turn = schedule.turn(NOW, all).expect("there is room");
        assert_eq!((turn.plugin, turn.limit), (other, 3));
    }

    #[test]
    fn one_that_is_not_ready_or_not_due_is_passed_over() {
        let mut schedule = Schedule::new(2, 3, HOUR);
        let later = NOW.after(Duration::from_secs(1));
        schedule.refresh(vec![(plugin("a"), NOW), (plugin("b"), later)]);
        let ready = |key: &PluginKey| *key != plugin("a");
        assert_eq!(schedule.turn(NOW, ready), None);
        assert_eq!(schedule.next_due(NOW, ready), (Some(later), Some(NOW)));
        assert!(schedule.turn(NOW, all).is_some());
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let mut schedule = Schedule::new(2, 3, HOUR);
        let (soon, never) = (NOW.after(HOUR), NOW.after(HOUR * 1000));
        schedule.refresh(vec![(plugin("a"), soon), (plugin("b"), never)]);
        let turn = schedule.turn(NOW, all).expect("a turn");
        assert_eq!((turn.plugin, turn.until), (plugin("b"), never));
        assert_eq!(schedule.next_due(NOW, all).0, Some(NOW));
        schedule.took(&plugin("b"), [OutboxId(1)], None);
        assert_eq!(schedule.turn(NOW, all), None);
        assert_eq!(schedule.next_due(NOW, all).0, Some(soon));
    }

    #[test]
    fn what_is_over_leaves_nothing_in_memory() {
        let mut schedule = Schedule::new(2, 3, HOUR);
        schedule.refresh(due(&["a", "b"]));
        schedule.took(&plugin("a"), [OutboxId(1)], None);
        schedule.refresh(Vec::new());
        schedule.ended(&plugin("a"), OutboxId(1), None);
        assert!(schedule.plugins.is_empty());
        assert_eq!(schedule.in_flight(), 0);
    }

    proptest! {
        /// However many requests each plugin has: none exceeds its share, the
        /// whole isn't exceeded, and of those with something to send none waits
        /// for more than one turn of each other.
        #[test]
        fn nobody_waits_for_a_flood(
            waiting in proptest::collection::vec(0usize..50, 1..8),
            ends in proptest::collection::vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let names: Vec<_> = (0..waiting.len()).map(|at| format!("p{at}")).collect();
            let mut waiting: BTreeMap<_, _> =
                names.iter().map(|name| plugin(name)).zip(waiting).collect();
            let mut schedule = Schedule::new(2, 5, HOUR);
            let busy = waiting.iter().filter(|(_, count)| **count > 0);
            schedule.refresh(busy.map(|(key, _)| (key.clone(), NOW)).collect());
            let mut running = Vec::new();
            let mut turns_without: BTreeMap<PluginKey, usize> = BTreeMap::new();
            let mut next_id = 0;
            let mut ends = ends.into_iter();
            loop {
                while let Some(turn) = schedule.turn(NOW, all) {
                    let left = waiting.get_mut(&turn.plugin).expect("known");
                    prop_assert!(*left > 0 && turn.limit > 0);
                    let taken = turn.limit.min(*left);
                    *left -= taken;
                    let ids: Vec<_> = (0..taken).map(|at| OutboxId(next_id + at as i64)).collect();
                    next_id += taken as i64;
                    running.extend(ids.iter().map(|&id| (turn.plugin.clone(), id)));
                    schedule.took(&turn.plugin, ids, (*left > 0).then_some(NOW));
                    for (key, count) in &waiting {
                        let of_it = running.iter().filter(|(owner, _)| owner == key).count();
                        prop_assert!(of_it <= 2);
                        let turns = turns_without.entry(key.clone()).or_default();
                        *turns = if *key == turn.plugin || *count == 0 || of_it == 2 { 0 } else { *turns + 1 };
                        prop_assert!(*turns <= waiting.len(), "{key:?} starves");
                    }
                }
                prop_assert!(running.len() <= 5 && running.len() == schedule.in_flight());
                let Some(end) = ends.next() else { break };
                if running.is_empty() { break }
                let (key, id) = running.swap_remove(end.index(running.len()));
                schedule.ended(&key, id, None);
            }
        }
    }
}
