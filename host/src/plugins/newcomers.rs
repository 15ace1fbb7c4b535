//! Which new names of a folder get events before they have ever run. Pure.
//!
//! Every name on the durable list costs a delivery for each event, and files are
//! made faster than events. So of names that have never loaded only so many are on
//! it; others wait until they have loaded or there is room:
//!
//! ```text
//!  new ──admit──▶ listed ──proved──▶ (not counted)
//!   │              ▲  │
//!   └──▶ waiting ──┘  └─leave─▶ (forgotten)
//!          next
//! ```

use std::collections::BTreeSet;

use crate::types::PluginName;

/// How many of a folder are on the durable list at once.
pub(super) const MOST: usize = 16;

/// The names of a folder that have neither run since the start nor been on the list
/// of an earlier run.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    /// On the durable list, or just about to be.
    listed: BTreeSet<PluginName>,
    /// Not on it for want of room.
    waiting: BTreeSet<PluginName>,
}

impl Newcomers {
    /// Whether the new name may be put on the list now; if not, it waits.
    pub(super) fn admit(&mut self, name: &PluginName) -> bool {
        if self.listed.contains(name) {
            return true;
        }
        let room = self.listed.len() < MOST;
        let (gains, loses) = if room {
            (&mut self.listed, &mut self.waiting)
        } else {
            (&mut self.waiting, &mut self.listed)
        };
        loses.remove(name);
        gains.insert(name.clone());
        room
    }

    /// Those that wait and for which there is room now: they count as listed.
    pub(super) fn next(&mut self) -> Vec<PluginName> {
        let mut names = Vec::new();
        while self.listed.len() < MOST
            && let Some(name) = self.waiting.pop_first()
        {
            self.listed.insert(name.clone());
            names.push(name);
        }
        names
    }

    /// The name has loaded, or has left the list.
    pub(super) fn forget(&mut self, name: &PluginName) {
        self.listed.remove(name);
        self.waiting.remove(name);
    }

    /// Of those that wait, only these still do.
    pub(super) fn keep_waiting(&mut self, keep: impl Fn(&PluginName) -> bool) {
        self.waiting.retain(keep);
    }

    /// Whether it is on the list and has never run.
    pub(super) fn is_listed(&self, name: &PluginName) -> bool {
        self.listed.contains(name)
    }

    /// Whether it gets no events for want of room.
    pub(super) fn waits(&self, name: &PluginName) -> bool {
        self.waiting.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> PluginName {
        PluginName::new(&format!("n{number:03}")).expect("a good name")
    }

    /// So many that want to be listed.
    fn crowd(count: usize) -> Newcomers {
        let mut newcomers = Newcomers::default();
        for number in 0..count {
            assert_eq!(newcomers.admit(&name(number)), number < MOST);
        }
        newcomers
    }

    #[test]
    fn only_so_many_are_listed_however_often_they_ask() {
        let mut newcomers = crowd(200);
        for _ in 0..3 {
            for number in 0..200 {
                assert_eq!(newcomers.admit(&name(number)), number < MOST);
                assert_eq!(newcomers.is_listed(&name(number)), number < MOST);
                assert_eq!(newcomers.waits(&name(number)), number >= MOST);
            }
            assert!(newcomers.next().is_empty());
        }
    }

    #[test]
    fn one_that_has_run_or_goes_makes_room_for_one_that_waits() {
        let mut newcomers = crowd(MOST + 3);
        newcomers.forget(&name(0));
        assert_eq!(newcomers.next(), [name(MOST)]);
        assert!(newcomers.is_listed(&name(MOST)) && !newcomers.waits(&name(MOST)));
        assert!(newcomers.next().is_empty());
        // One that waits has run meanwhile: it takes no room and waits no longer.
        newcomers.forget(&name(MOST + 1));
        newcomers.forget(&name(1));
        assert_eq!(newcomers.next(), [name(MOST + 2)]);
    }

    #[test]
    fn one_that_waits_gets_room_by_asking_again_as_well() {
        let mut newcomers = crowd(MOST + 1);
        newcomers.forget(&name(3));
        assert!(newcomers.admit(&name(MOST)));
        assert!(!newcomers.waits(&name(MOST)));
        assert!(newcomers.next().is_empty());
    }

    #[test]
    fn what_is_not_there_any_more_does_not_wait() {
        let mut newcomers = crowd(MOST + 2);
        newcomers.keep_waiting(|waiting| *waiting == name(MOST + 1));
        newcomers.forget(&name(0));
        newcomers.forget(&name(1));
        assert_eq!(newcomers.next(), [name(MOST + 1)]);
    }
}
