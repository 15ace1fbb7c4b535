//! Whose turn it is: endpoints take turns, and among an endpoint's plugins these
//! do. So an endpoint with many plugins gets no more than one with a single one.

use std::collections::{HashSet, VecDeque};

use super::handle::LaneId;

/// The place of an endpoint in a list.
pub(super) type EndpointIndex = usize;

/// The plugins that may have something to start, in turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The endpoints that have a turn.
    ring: VecDeque<EndpointIndex>,
    /// For each endpoint, its plugins that wait for a turn.
    queues: Vec<VecDeque<LaneId>>,
    /// All that are in one of these.
    queued: HashSet<LaneId>,
    /// Those that keep their turn while others are looked at.
    aside: Vec<(EndpointIndex, LaneId)>,
}

impl Turns {
    /// This plugin has something to start; that it may say so already is no harm.
    pub(super) fn add(&mut self, endpoint: EndpointIndex, lane: LaneId) {
        if endpoint >= self.queues.len() {
            self.queues.resize_with(endpoint + 1, VecDeque::new);
        }
        if self.queued.insert(lane) {
            self.queues[endpoint].push_back(lane);
        }
        if !self.ring.contains(&endpoint) {
            self.ring.push_back(endpoint);
        }
    }

    /// Whose turn it is. Stays so until one of the other calls.
    pub(super) fn front(&mut self) -> Option<(EndpointIndex, LaneId)> {
        while let Some(&endpoint) = self.ring.front() {
            if let Some(&lane) = self.queues[endpoint].front() {
                return Some((endpoint, lane));
            }
            self.ring.pop_front();
        }
        None
    }

    /// It can't start anything at present; its endpoint keeps the turn. It has to
    /// be added again.
    pub(super) fn pass(&mut self) {
        if let Some((endpoint, lane)) = self.front() {
            self.queues[endpoint].pop_front();
            self.queued.remove(&lane);
        }
    }

    /// Its endpoint can't start anything at present, whichever plugin it is. The
    /// endpoint's plugins keep their order.
    pub(super) fn pass_endpoint(&mut self) {
        self.ring.pop_front();
    }

    /// It can't start anything at present and keeps its turn among its endpoint's
    /// plugins. The others are looked at until [`Turns::restore`].
    pub(super) fn set_aside(&mut self) {
        if let Some((endpoint, lane)) = self.front() {
            self.queues[endpoint].pop_front();
            self.aside.push((endpoint, lane));
        }
    }

    /// How many are set aside.
    pub(super) fn aside(&self) -> usize {
        self.aside.len()
    }

    /// Puts back those that were set aside; returns which.
    pub(super) fn restore(&mut self) -> Vec<LaneId> {
        let aside = std::mem::take(&mut self.aside);
        for &(endpoint, lane) in aside.iter().rev() {
            self.queues[endpoint].push_front(lane);
            if !self.ring.contains(&endpoint) {
                self.ring.push_front(endpoint);
            }
        }
        aside.into_iter().map(|(_, lane)| lane).collect()
    }

    /// It has started something; it comes again after the others if there is
    /// `more`.
    pub(super) fn started(&mut self, more: bool) {
        let Some((endpoint, lane)) = self.front() else {
            return;
        };
        self.pass();
        self.ring.pop_front();
        if more {
            self.add(endpoint, lane);
        } else if !self.queues[endpoint].is_empty() {
            self.ring.push_back(endpoint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(turns: &mut Turns, count: usize) -> Vec<LaneId> {
        let turn = |_| {
            let (_, lane) = turns.front().expect("somebody waits");
            turns.started(true);
            lane
        };
        (0..count).map(turn).collect()
    }

    #[test]
    fn an_endpoint_with_many_plugins_gets_no_more_turns_than_one_with_a_single_one() {
        let mut turns = Turns::default();
        for lane in 1..=3 {
            turns.add(0, lane);
        }
        turns.add(1, 9);
        assert_eq!(take(&mut turns, 8), [1, 9, 2, 9, 3, 9, 1, 9]);
    }

    #[test]
    fn a_plugin_that_cannot_start_leaves_the_turn_to_another_of_its_endpoint() {
        let mut turns = Turns::default();
        for lane in 1..=2 {
            turns.add(0, lane);
        }
        turns.add(1, 9);
        turns.pass();
        assert_eq!(take(&mut turns, 3), [2, 9, 2]);
    }

    #[test]
    fn an_endpoint_that_cannot_start_leaves_the_turn_to_the_others_and_keeps_its_order() {
        let mut turns = Turns::default();
        for lane in 1..=2 {
            turns.add(0, lane);
        }
        turns.add(1, 9);
        turns.pass_endpoint();
        assert_eq!(take(&mut turns, 2), [9, 9]);
        turns.add(0, 2);
        assert_eq!(take(&mut turns, 4), [9, 1, 9, 2]);
    }

    #[test]
    fn nobody_is_there_twice() {
        let mut turns = Turns::default();
        turns.add(0, 1);
        turns.add(0, 1);
        turns.started(false);
        assert_eq!(turns.front(), None);
    }
}
