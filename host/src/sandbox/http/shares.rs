//! Who may have one more of the host's connections.
//!
//! A plugin holds at most a seventh of what is free: alone it comes to an eighth of
//! all, which is what eight attempts with four requests at once need, and the more
//! plugins hoard, the less each of them gets. The plugins of one endpoint, however
//! many, come to seven eighths of all: something stays free for another's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::types::{EndpointName, PluginKey};

/// What a plugin holds stays below the free ones divided by this, and what all
/// plugins of its endpoint hold below the free ones times this.
const PART: usize = 7;

/// The host's connections.
#[derive(Debug)]
pub(in crate::sandbox) struct Connections {
    shares: Mutex<Shares>,
    freed: Notify,
}

/// One of them; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    of: Arc<Connections>,
    plugin: PluginKey,
}

/// Who holds how many. Pure.
#[derive(Debug)]
struct Shares {
    free: usize,
    held: HashMap<PluginKey, usize>,
    by_endpoint: HashMap<EndpointName, usize>,
}

impl Connections {
    pub(super) fn new(all: usize) -> Self {
        Self {
            shares: Mutex::new(Shares {
                free: all,
                held: HashMap::new(),
                by_endpoint: HashMap::new(),
            }),
            freed: Notify::new(),
        }
    }

    /// Waits until the plugin may have one more.
    pub(super) async fn take(self: &Arc<Self>, plugin: &PluginKey) -> Connection {
        loop {
            // Before the look, so that none is missed after it.
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if self.shares().take(plugin) {
                return Connection {
                    of: Arc::clone(self),
                    plugin: plugin.clone(),
                };
            }
            freed.await;
        }
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.of.shares().give_back(&self.plugin);
        // All: it depends on who asks whether one is free.
        self.of.freed.notify_waiters();
    }
}

impl Shares {
    fn take(&mut self, plugin: &PluginKey) -> bool {
        let held = self.held.get(plugin).copied().unwrap_or_default();
        let its = self.by_endpoint.get(&plugin.endpoint).copied();
        let its = its.unwrap_or_default();
        let may = self.free > 0
            && (held == 0 || held < self.free / PART)
            && (its == 0 || its < self.free * PART);
        if may {
            self.free -= 1;
            self.held.insert(plugin.clone(), held + 1);
            self.by_endpoint.insert(plugin.endpoint.clone(), its + 1);
        }
        may
    }

    fn give_back(&mut self, plugin: &PluginKey) {
        if let Some(held) = self.held.get_mut(plugin) {
            *held -= 1;
            self.free += 1;
            if *held == 0 {
                self.held.remove(plugin);
            }
        }
        if let Some(its) = self.by_endpoint.get_mut(&plugin.endpoint) {
            *its -= 1;
            if *its == 0 {
                self.by_endpoint.remove(&plugin.endpoint);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::timeout;

    use super::*;
    use crate::types::{EndpointName, PluginName};

    const ALL: usize = 256;

    fn plugin(number: usize) -> PluginKey {
        PluginKey {
            endpoint: EndpointName::default_endpoint(),
            plugin: PluginName::new(&format!("p{number}")).expect("a name"),
        }
    }

    fn shares() -> Shares {
        Shares {
            free: ALL,
            held: HashMap::new(),
            by_endpoint: HashMap::new(),
        }
    }

    fn take_all(shares: &mut Shares, plugin: &PluginKey) -> usize {
        std::iter::from_fn(|| shares.take(plugin).then_some(())).count()
    }

    #[test]
    fn one_alone_gets_an_eighth() {
        assert_eq!(take_all(&mut shares(), &plugin(0)), ALL / 8);
    }

    #[test]
    fn the_same_name_at_another_endpoint_is_another_plugin() {
        let mut shares = shares();
        take_all(&mut shares, &plugin(0));
        let other = PluginKey {
            endpoint: EndpointName::new("other").expect("a name"),
            ..plugin(0)
        };
        assert!(shares.take(&other));
    }

    #[test]
    fn an_endpoint_of_any_number_of_plugins_leaves_some_to_another() {
        let mut shares = shares();
        let got: usize = (0..1000).map(|n| take_all(&mut shares, &plugin(n))).sum();
        assert_eq!(got, ALL * PART / (PART + 1));
        let other = PluginKey {
            endpoint: EndpointName::new("other").expect("a name"),
            ..plugin(0)
        };
        assert!(take_all(&mut shares, &other) > 1);
    }

    proptest! {
        /// Each that comes later gets some, and what is given
        /// back is free again.
        #[test]
        fn something_stays_for_who_comes_later(hoarders in 1usize..15) {
            let mut shares = shares();
            let mut before = ALL;
            for number in 0..hoarders {
                let got = take_all(&mut shares, &plugin(number));
                prop_assert!(got >= 1 && got <= before);
                before = got;
            }
            prop_assert!(shares.take(&plugin(hoarders)));
            prop_assert!(shares.take(&plugin(0)) == (shares.held[&plugin(0)] < shares.free / PART));
            for (plugin, held) in shares.held.clone() {
                (0..held).for_each(|_| shares.give_back(&plugin));
            }
            prop_assert_eq!(shares.free, ALL);
            prop_assert!(shares.held.is_empty() && shares.by_endpoint.is_empty());
        }
    }

    #[tokio::test]
    async fn one_that_waits_gets_what_is_given_back() {
        let connections = Arc::new(Connections::new(1));
        let first = connections.take(&plugin(0)).await;
        let other = plugin(1);
        let second = connections.take(&other);
        tokio::pin!(second);
        let now = timeout(Duration::ZERO, &mut second).await;
        assert!(now.is_err(), "none is free");
        drop(first);
        second.await;
    }
}
