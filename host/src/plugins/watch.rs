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

/// Watches one folder.
pub(super) struct Watch {
    folder: PathBuf,
    changed: Arc<Notify>,
    /// None where the system can't watch the folder now.
    watcher: Option<RecommendedWatcher>,
    said: bool,
}

impl Watch {
    pub(super) fn new(folder: &Path) -> Self {
        let mut watch = Self {
            folder: folder.to_owned(),
            changed: Arc::default(),
            watcher: None,
            said: false,
        };
        watch.start();
        watch
    }

    /// Returns when the folder may have changed, at `deadline` if there is one,
    /// and after [`RESCAN`] at the latest.
    pub(super) async fn changed(&mut self, deadline: Option<std::time::Instant>) {
        if self.watcher.is_none() {
            self.start();
        }
        let latest = Instant::now() + RESCAN;
        let until = deadline.map_or(latest, |deadline| Instant::from_std(deadline).min(latest));
        // An elapsed timer is as good a reason to look as a change.
        let _ = tokio::time::timeout_at(until, self.changed.notified()).await;
    }

    /// The folder could not be listed: what is watched may be another folder.
    pub(super) fn lost(&mut self) {
        self.watcher = None;
    }

    fn start(&mut self) {
        let changed = Arc::clone(&self.changed);
        let started = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Listing the folder opens it, which must not look like a change.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                changed.notify_one();
            }
        })
        .and_then(|mut watcher| {
            watcher.watch(&self.folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        match started {
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
