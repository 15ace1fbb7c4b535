//! When a change has come to rest. Pure; time comes in as an argument.
//!
//! Files are copied in pieces, replaced by removing and writing, and touched
//! several times. A state is acted on once it has stood still for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::folder::Found;
use crate::types::PluginName;

/// How long a plugin's files must stay unchanged.
pub const SETTLE: Duration = Duration::from_millis(150);

/// Follows the folder's plugins from listing to listing.
#[derive(Debug, Default)]
pub struct Settler {
    seen: BTreeMap<PluginName, Seen>,
}

/// A plugin's files; `None` where it is gone.
type State = Option<Found>;

#[derive(Debug)]
struct Seen {
    /// The state at the last listing.
    latest: State,
    since: Instant,
    /// The state that was acted on; `None` for none yet: a plugin that is new, or
    /// of an earlier run.
    settled: Option<State>,
}

/// A plugin whose files have changed and come to rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The plugin.
    pub name: PluginName,
    /// Its files now, or why they can't be used; `None` where it is gone.
    pub files: Option<Found>,
}

impl Settler {
    /// Expects plugins that an earlier run had: one that isn't in the folder is
    /// gone, but no sooner than one that is removed now.
    pub fn expect(&mut self, names: impl IntoIterator<Item = PluginName>, now: Instant) {
        for name in names {
            self.seen.entry(name).or_insert(Seen {
                latest: None,
                since: now,
                settled: None,
            });
        }
    }

    /// The plugins that are there, or were until a moment ago.
    pub fn names(&self) -> impl Iterator<Item = &PluginName> {
        self.seen.keys()
    }

    /// Takes a listing made at `now`. Returns what has come to rest, and when to
    /// look again if something hasn't.
    pub fn observe(
        &mut self,
        listing: &BTreeMap<PluginName, Found>,
        now: Instant,
    ) -> (Vec<Change>, Option<Instant>) {
        for (name, found) in listing {
            let seen = self.seen.entry(name.clone()).or_insert(Seen {
                latest: None,
                since: now,
                // It is put on the list as soon as it is seen: that it has gone
                // again is a change, however soon that is.
                settled: None,
            });
            seen.see(Some(found), now);
        }
        for (name, seen) in &mut self.seen {
            if !listing.contains_key(name) {
                seen.see(None, now);
            }
        }

        let mut changes = Vec::new();
        let mut look_again = None;
        for (name, seen) in &mut self.seen {
            if seen.settled.as_ref() == Some(&seen.latest) {
                continue;
            }
            let rest_at = seen.since + SETTLE;
            if now >= rest_at {
                seen.settled = Some(seen.latest.clone());
                changes.push(Change {
                    name: name.clone(),
                    files: seen.latest.clone(),
                });
            } else {
                look_again =
                    Some(look_again.map_or(rest_at, |soonest: Instant| soonest.min(rest_at)));
            }
        }
        self.seen
            .retain(|_, seen| seen.latest.is_some() || seen.settled != Some(None));
        (changes, look_again)
    }
}

impl Seen {
    fn see(&mut self, files: Option<&Found>, now: Instant) {
        if self.latest.as_ref() != files {
            self.latest = files.cloned();
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::listing::{self, Standing};

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a scratch folder"))
        }

        fn write(&self, content: &[u8]) {
            std::fs::write(self.0.path().join("a.wasm"), content).expect("written");
        }

        fn remove(&self) {
            std::fs::remove_file(self.0.path().join("a.wasm")).expect("removed");
        }

        fn list(&self) -> BTreeMap<PluginName, Found> {
            listing::list(self.0.path(), 10, |_| Standing::New)
                .expect("listed")
                .plugins
        }
    }

    #[test]
    fn a_file_that_grows_is_acted_on_once_and_only_when_it_rests() {
        let (folder, start) = (Folder::new(), Instant::now());
        let mut settler = Settler::default();
        folder.write(b"ha");
        let (changes, again) = settler.observe(&folder.list(), start);
        assert!(changes.is_empty());
        assert_eq!(again, Some(start + SETTLE));

        folder.write(b"half and the rest");
        let (changes, again) = settler.observe(&folder.list(), start + SETTLE);
        assert!(changes.is_empty());
        assert_eq!(again, Some(start + SETTLE * 2));

        let (changes, again) = settler.observe(&folder.list(), start + SETTLE * 2);
        assert_eq!(changes.len(), 1);
        assert_eq!(again, None);
        let (changes, _) = settler.observe(&folder.list(), start + SETTLE * 9);
        assert!(changes.is_empty());
    }

    #[test]
    fn a_file_that_is_removed_and_written_again_was_never_gone() {
        let (folder, start) = (Folder::new(), Instant::now());
        let mut settler = Settler::default();
        folder.write(b"one");
        settler.observe(&folder.list(), start);
        settler.observe(&folder.list(), start + SETTLE);

        folder.remove();
        let (changes, _) = settler.observe(&folder.list(), start + SETTLE * 2);
        assert!(changes.is_empty());
        folder.write(b"two");
        settler.observe(&folder.list(), start + SETTLE * 2);
        let (changes, _) = settler.observe(&folder.list(), start + SETTLE * 3);
        assert_eq!(changes.len(), 1);
        assert!(changes[0].files.is_some());
    }

    #[test]
    fn a_file_that_stays_away_is_gone() {
        let (folder, start) = (Folder::new(), Instant::now());
        let mut settler = Settler::default();
        folder.write(b"one");
        settler.observe(&folder.list(), start);
        settler.observe(&folder.list(), start + SETTLE);
        folder.remove();
        settler.observe(&folder.list(), start + SETTLE * 2);
        let (changes, _) = settler.observe(&folder.list(), start + SETTLE * 3);
        assert_eq!(changes[0].files, None);
    }

    #[test]
    fn a_new_file_that_goes_before_it_rests_is_gone() {
        let (folder, start) = (Folder::new(), Instant::now());
        let mut settler = Settler::default();
        folder.write(b"one");
        settler.observe(&folder.list(), start);
        folder.remove();
        let (changes, again) = settler.observe(&folder.list(), start);
        assert!(changes.is_empty());
        assert_eq!(again, Some(start + SETTLE));
        let (changes, again) = settler.observe(&folder.list(), start + SETTLE);
        assert_eq!((changes.len(), again), (1, None));
        assert_eq!(changes[0].files, None);
        assert!(settler.seen.is_empty());
    }

    #[test]
    fn a_file_that_becomes_a_link_is_not_gone() {
        let (folder, start) = (Folder::new(), Instant::now());
        let mut settler = Settler::default();
        folder.write(b"one");
        settler.observe(&folder.list(), start);
        settler.observe(&folder.list(), start + SETTLE);
        folder.remove();
        std::os::unix::fs::symlink("/dev/null", folder.0.path().join("a.wasm")).expect("linked");
        settler.observe(&folder.list(), start + SETTLE * 2);
        let (changes, _) = settler.observe(&folder.list(), start + SETTLE * 3);
        assert!(matches!(changes[0].files, Some(Err(_))));
    }

    #[test]
    fn an_expected_file_is_gone_only_after_a_while() {
        let (folder, start) = (Folder::new(), Instant::now());
        let mut settler = Settler::default();
        folder.write(b"one");
        let names = ["a", "b"].map(|text| PluginName::new(text).expect("a good name"));
        settler.expect(names.clone(), start);
        let (changes, again) = settler.observe(&folder.list(), start);
        assert!(changes.is_empty());
        assert_eq!(again, Some(start + SETTLE));

        let (changes, again) = settler.observe(&folder.list(), start + SETTLE);
        let gone: Vec<_> = changes
            .iter()
            .map(|change| (&change.name, change.files.is_none()))
            .collect();
        assert_eq!(gone, [(&names[0], false), (&names[1], true)]);
        assert_eq!(again, None);
    }
}
