//! Who may have one more of the host's connections.
//!
//! A plugin holds at most a seventh of what is free: alone it comes to an eighth of
//! all, which is what eight attempts with four requests at once need, and the more
//! plugins hoard, the less each of them gets. It takes dozens of them until nothing
//! stays free for one that comes later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::types::PluginKey;

/// What a plugin holds stays below the free ones divided by this.
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
}

impl Connections {
    pub(super) fn new(all: usize) -> Self {
        Self {
            shares: Mutex::new(Shares {
                free: all,
                held: HashMap::new(),
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
        let may = self.free > 0 && (held == 0 || held < self.free / PART);
        if may {
            self.free -= 1;
            self.held.insert(plugin.clone(), held + 1);
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

    proptest! {
        /// Each that comes later gets some, and what is given
        /// back is free again.
        #[test]
        fn something_stays_for_who_comes_later(hoarders in 1usize..28) {
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
            prop_assert!(shares.held.is_empty());
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
