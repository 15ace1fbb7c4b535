//! Says that the folder may have changed: at once where the system tells, and
//! every few seconds in any case, since watchers miss things (network file
//! systems, queues that overflow, a folder that is replaced).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, warn};

/// How often the folder is looked at without being told to.
const RESCAN: Duration = Duration::from_secs(2);

/// The least time between two looks: a burst of changes is one reason to look.
const PAUSE: Duration = Duration::from_millis(20);

/// After a look that took long, there is a pause of so many times that: a huge
/// folder that never rests must not keep a processor busy.
const REST: u32 = 9;

/// Watches one folder.
pub(super) struct Watch {
    folder: PathBuf,
    changed: Arc<Notify>,
    /// None where the system can't watch the folder now.
    watcher: Option<RecommendedWatcher>,
    said: bool,
    /// When it was last said that the folder may have changed.
    looked: Instant,
    /// Not to be said again before.
    pause: Duration,
}

impl Watch {
    pub(super) fn new(folder: &Path) -> Self {
        let mut watch = Self {
            folder: folder.to_owned(),
            changed: Arc::default(),
            watcher: None,
            said: false,
            looked: Instant::now(),
            pause: PAUSE,
        };
        watch.start();
        watch
    }

    /// Returns when the folder may have changed, at `deadline` if there is one,
    /// and [`RESCAN`] after the last time at the latest. Can be dropped and
    /// called again without missing a change.
    pub(super) async fn changed(&mut self, deadline: Option<std::time::Instant>) {
        if self.watcher.is_none() {
            self.start();
        }
        let latest = self.looked + RESCAN;
        let until = deadline.map_or(latest, |deadline| Instant::from_std(deadline).min(latest));
        tokio::time::sleep_until(self.looked + self.pause).await;
        // An elapsed timer is as good a reason to look as a change.
        let _ = tokio::time::timeout_at(until, self.changed.notified()).await;
        self.looked = Instant::now();
    }

    /// A look has taken so long.
    pub(super) fn took(&mut self, look: Duration) {
        self.pause = (look * (REST + 1)).clamp(PAUSE, RESCAN);
    }

    /// The folder could not be listed: what is watched may be another folder.
    pub(super) fn lost(&mut self) {
        self.watcher = None;
    }

    fn start(&mut self) {
        let changed = Arc::clone(&self.changed);
        match on_change(&self.folder, move |_change| changed.notify_one()) {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                self.said = false;
                // Something may have changed before the watcher was there.
                self.changed.notify_one();
            }
            Err(problem) if !self.said => {
                warn!(folder = %self.folder.display(), "can't watch the plugins folder, looking every {RESCAN:?} instead: {problem}");
                self.said = true;
            }
            Err(problem) => debug!("still can't watch: {problem}"),
        }
    }
}

/// Calls `tell` for what may be a change of the folder, errors included.
fn on_change(
    folder: &Path,
    mut tell: impl FnMut(notify::Result<Event>) + Send + 'static,
) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Listing the folder opens it, which must not look like a change.
        if !event.as_ref().is_ok_and(|event| event.kind.is_access()) {
            tell(event);
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::plugins::listing::{Standing, list};

    #[test]
    fn listing_the_folder_is_no_change_of_it() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("a.wasm");
        std::fs::write(&path, b"one").expect("written");
        let (told, changes) = mpsc::channel();
        let _watcher = on_change(folder.path(), move |change| {
            // The receiver goes first, at the end of the test.
            let _ = told.send(change);
        })
        .expect("it can be watched");

        for _ in 0..3 {
            list(folder.path(), 10, |_| Standing::New).expect("listed");
            std::fs::read(&path).expect("read");
        }
        let later = folder.path().join("b.wasm");
        std::fs::write(&later, b"two").expect("written");

        let first = changes.recv_timeout(Duration::from_secs(60));
        let first = first.expect("the write is a change").expect("no error");
        assert!(first.kind.is_create(), "{first:?}");
        assert_eq!(first.paths, [later]);
    }

    #[test]
    fn a_look_that_takes_long_is_followed_by_a_rest() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut watch = Watch::new(folder.path());
        let millis = Duration::from_millis;
        for (took, pause) in [(0, PAUSE), (50, millis(500)), (60_000, RESCAN), (1, PAUSE)] {
            watch.took(millis(took));
            assert_eq!(watch.pause, pause);
        }
    }

    #[tokio::test]
    async fn a_burst_of_changes_causes_few_looks() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut watch = Watch::new(folder.path());
        let start = Instant::now();
        for _ in 0..5 {
            watch.changed.notify_one();
            watch.changed(None).await;
        }
        assert!(start.elapsed() >= PAUSE * 4, "{:?}", start.elapsed());
    }
}
