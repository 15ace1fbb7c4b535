//! The loads in progress: at most one for each plugin counts.
//!
//! Aborting a task that has already ended does nothing; its result still comes
//! out of the set. So each load has a number, and a result whose number is not
//! the plugin's present one is dropped.

use std::collections::HashMap;

use tokio::task::{AbortHandle, JoinSet};

use crate::types::PluginName;

/// Loads with results of type `T`.
#[derive(Debug)]
pub(super) struct Loads<T> {
    tasks: JoinSet<(PluginName, u64, T)>,
    current: HashMap<PluginName, (u64, AbortHandle)>,
    started: u64,
}

impl<T: Send + 'static> Loads<T> {
    pub(super) fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            current: HashMap::new(),
            started: 0,
        }
    }

    /// Starts a load; an older one of the plugin no longer counts.
    pub(super) fn start(
        &mut self,
        name: PluginName,
        load: impl Future<Output = T> + Send + 'static,
    ) {
        self.cancel(&name);
        self.started += 1;
        let (number, load_name) = (self.started, name.clone());
        let task = self
            .tasks
            .spawn(async move { (load_name, number, load.await) });
        self.current.insert(name, (number, task));
    }

    /// Whether a load of the plugin is in progress.
    pub(super) fn is_loading(&self, name: &PluginName) -> bool {
        self.current.contains_key(name)
    }

    /// The plugin's load no longer counts.
    pub(super) fn cancel(&mut self, name: &PluginName) {
        if let Some((_, task)) = self.current.remove(name) {
            task.abort();
        }
    }

    /// The next result that counts; `None` when nothing is loading. Can be
    /// dropped and called again without a loss.
    pub(super) async fn next(&mut self) -> Option<(PluginName, T)> {
        loop {
            // An error is a load that was aborted.
            let Ok((name, number, result)) = self.tasks.join_next().await? else {
                continue;
            };
            let counts = |(current, _): &(u64, AbortHandle)| *current == number;
            if self.current.get(&name).is_some_and(counts) {
                self.current.remove(&name);
                return Some((name, result));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> PluginName {
        PluginName::new("a").expect("a good name")
    }

    /// Lets the plugin's load end without collecting its result.
    async fn ended<T>(loads: &Loads<T>) {
        while !loads.current[&name()].1.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_result_that_waits_is_dropped_when_a_newer_load_starts() {
        let mut loads = Loads::new();
        loads.start(name(), async { "old" });
        ended(&loads).await;
        loads.start(name(), async { "new" });
        ended(&loads).await;
        assert_eq!(loads.next().await, Some((name(), "new")));
        assert_eq!(loads.next().await, None);
    }

    #[tokio::test]
    async fn a_result_that_waits_is_dropped_when_its_plugin_goes() {
        let mut loads = Loads::new();
        loads.start(name(), async { "gone" });
        ended(&loads).await;
        loads.cancel(&name());
        assert_eq!(loads.next().await, None);
    }

    #[tokio::test]
    async fn a_load_that_runs_is_ended_by_a_newer_one() {
        let mut loads = Loads::new();
        loads.start(name(), std::future::pending());
        loads.start(name(), async { "new" });
        assert_eq!(loads.next().await, Some((name(), "new")));
        assert_eq!(loads.next().await, None);
    }
}
