//! When a change has come to rest. Pure; time comes in as an argument.
//!
//! Files are copied in pieces, replaced by removing and writing, and touched
//! several times. A state is acted on once it has stood still for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::folder::Files;
use crate::types::PluginName;

/// How long a plugin's files must stay unchanged.
pub const SETTLE: Duration = Duration::from_millis(150);

/// Follows the folder's plugins from listing to listing.
#[derive(Debug, Default)]
pub struct Settler {
    seen: BTreeMap<PluginName, Seen>,
}

#[derive(Debug)]
struct Seen {
    /// The state at the last listing; `None` where the plugin is gone.
    latest: Option<Files>,
    since: Instant,
    /// The state that was acted on.
    settled: Option<Files>,
}

/// A plugin whose files have changed and come to rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The plugin.
    pub name: PluginName,
    /// Its files now; `None` where it is gone.
    pub files: Option<Files>,
}

impl Settler {
    /// Takes a listing made at `now`. Returns what has come to rest, and when to
    /// look again if something hasn't.
    pub fn observe(
        &mut self,
        listing: &BTreeMap<PluginName, Files>,
        now: Instant,
    ) -> (Vec<Change>, Option<Instant>) {
        for (name, files) in listing {
            let seen = self.seen.entry(name.clone()).or_insert(Seen {
                latest: None,
                since: now,
                settled: None,
            });
            seen.see(Some(*files), now);
        }
        for (name, seen) in &mut self.seen {
            if !listing.contains_key(name) {
                seen.see(None, now);
            }
        }

        let mut changes = Vec::new();
        let mut look_again = None;
        for (name, seen) in &mut self.seen {
            if seen.latest == seen.settled {
                continue;
            }
            let rest_at = seen.since + SETTLE;
            if now >= rest_at {
                seen.settled = seen.latest;
                changes.push(Change {
                    name: name.clone(),
                    files: seen.latest,
                });
            } else {
                look_again =
                    Some(look_again.map_or(rest_at, |soonest: Instant| soonest.min(rest_at)));
            }
        }
        self.seen
            .retain(|_, seen| seen.latest.is_some() || seen.settled.is_some());
        (changes, look_again)
    }

    /// Acts on `name` again at the next listing: the last try found files that
    /// were not those of the listing.
    pub fn forget(&mut self, name: &PluginName) {
        if let Some(seen) = self.seen.get_mut(name) {
            seen.settled = None;
        }
    }
}

impl Seen {
    fn see(&mut self, files: Option<Files>, now: Instant) {
        if self.latest != files {
            self.latest = files;
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::folder;

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

        fn list(&self) -> BTreeMap<PluginName, Files> {
            folder::list(self.0.path()).expect("listed").plugins
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
}
