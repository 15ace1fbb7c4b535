//! Deliveries, outcomes and entries in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use crate::journal::{Finish, JournalError, KeyValue, Next, Pending, PendingPage, Queue};
use crate::types::effects::{KvEntry, KvKey, KvPage, KvSnapshot, KvVersion};
use crate::types::{DeliveryId, PluginKey, StoredEvent};

/// How the store takes an outcome.
#[derive(Clone, Copy)]
pub(in crate::dispatch) enum Takes {
    Superseded,
    Panics,
    Never,
    Quota,
}

/// A pending delivery.
struct Stored {
    plugin: PluginKey,
    event: StoredEvent,
    manual: bool,
    failed_attempts: u32,
    traps: u32,
}

#[derive(Default)]
struct Tables {
    /// How it takes the first outcomes; all others go well.
    first: VecDeque<Takes>,
    pending: BTreeMap<DeliveryId, Stored>,
    outcomes: Vec<Finish>,
    /// For each plugin.
    entries: BTreeMap<(PluginKey, KvKey), KvEntry>,
    version: KvVersion,
    conflicts: usize,
}

/// The store. Its plugin's entries are checked and kept as a real one does.
#[derive(Default)]
pub(super) struct Memory {
    tables: Mutex<Tables>,
    changed: Notify,
}

impl Memory {
    pub(super) fn new(first: &[Takes]) -> Self {
        let memory = Self::default();
        memory.tables().first = first.iter().copied().collect();
        memory
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("not poisoned")
    }

    pub(super) fn add(&self, plugin: PluginKey, delivery: i64, event: StoredEvent, manual: bool) {
        let stored = Stored {
            plugin,
            event,
            manual,
            failed_attempts: 0,
            traps: 0,
        };
        self.tables().pending.insert(DeliveryId(delivery), stored);
    }

    pub(super) fn forget_all_but(&self, delivery: i64) {
        let keep = DeliveryId(delivery);
        self.tables().pending.retain(|&stored, _| stored == keep);
    }

    /// The outcomes, as soon as there are enough.
    pub(super) async fn outcomes(&self, enough: impl Fn(&[Finish]) -> bool) -> Vec<Finish> {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                let outcomes = self.tables().outcomes.clone();
                if enough(&outcomes) {
                    return outcomes;
                }
                changed.await;
            }
        };
        let outcomes = tokio::time::timeout(Duration::from_secs(60), wait).await;
        outcomes.expect("the outcomes come")
    }

    /// Waits until it has taken all that it was to take in some way of its own.
    pub(super) async fn took_the_first(&self) {
        loop {
            let changed = self.changed.notified();
            if self.tables().first.is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// An entry of the tests' plugin, as a number.
    pub(super) fn number(&self, at: &KvKey) -> u64 {
        let tables = self.tables();
        let entry = tables.entries.get(&(super::key(), at.clone()));
        entry.map_or(0, |entry| parse(&entry.value))
    }

    /// How many outcomes were refused because of what they had read.
    pub(super) fn conflicts(&self) -> usize {
        self.tables().conflicts
    }

    fn page(
        &self,
        plugin: &PluginKey,
        manual: bool,
        after: DeliveryId,
        limit: usize,
    ) -> PendingPage {
        let tables = self.tables();
        let fits = |(_, stored): &(&DeliveryId, &Stored)| {
            stored.plugin == *plugin && stored.manual == manual
        };
        let above = tables.pending.range(DeliveryId(after.0 + 1)..).filter(fits);
        let deliveries: Vec<Pending> = above
            .take(limit)
            .map(|(&delivery, stored)| Pending {
                delivery,
                event: stored.event.clone(),
                failed_attempts: stored.failed_attempts,
                traps: stored.traps,
                due_at: None,
            })
            .collect();
        PendingPage {
            more: deliveries.len() == limit,
            deliveries,
        }
    }
}

/// A number in an entry.
pub(super) fn parse(value: &Bytes) -> u64 {
    let text = std::str::from_utf8(value).expect("a text");
    text.parse().expect("a number")
}

impl Tables {
    fn finish(&mut self, finish: Finish) -> Result<(), JournalError> {
        let Some(stored) = self.pending.get_mut(&finish.delivery) else {
            return Err(JournalError::Superseded);
        };
        let plugin = stored.plugin.clone();
        for (at, seen) in &finish.effects.kv.reads {
            let entry = self.entries.get(&(plugin.clone(), at.clone()));
            if entry.map(|entry| entry.version) != *seen {
                self.conflicts += 1;
                return Err(JournalError::Conflict { at: at.clone() });
            }
        }
        self.version.0 += 1;
        for write in &finish.effects.kv.writes {
            let place = (plugin.clone(), write.at.clone());
            match &write.value {
                Some(value) => {
                    let entry = KvEntry {
                        value: value.clone(),
                        version: self.version,
                    };
                    self.entries.insert(place, entry);
                }
                None => {
                    self.entries.remove(&place);
                }
            }
        }
        if matches!(finish.next, Next::Retry { .. }) {
            stored.failed_attempts = finish.attempts;
            stored.traps = finish.traps;
        } else {
            self.pending.remove(&finish.delivery);
        }
        self.outcomes.push(finish);
        Ok(())
    }
}

#[async_trait]
impl KeyValue for Memory {
    async fn kv_open(&self, _: &PluginKey) -> Result<KvSnapshot, JournalError> {
        Ok(KvSnapshot {
            version: self.tables().version,
            used: 0,
        })
    }

    async fn kv_get(
        &self,
        plugin: &PluginKey,
        bucket: &str,
        keys: Vec<String>,
    ) -> Result<Vec<Option<KvEntry>>, JournalError> {
        let tables = self.tables();
        let entry = |key: String| {
            let at = KvKey {
                bucket: bucket.to_owned(),
                key,
            };
            tables.entries.get(&(plugin.clone(), at)).cloned()
        };
        Ok(keys.into_iter().map(entry).collect())
    }

    async fn kv_list(
        &self,
        _: &PluginKey,
        _: &str,
        _: Option<String>,
    ) -> Result<KvPage, JournalError> {
        Ok(KvPage::default())
    }
}

#[async_trait]
impl Queue for Memory {
    async fn finish(&self, finish: Finish) -> Result<(), JournalError> {
        let takes = self.tables().first.pop_front();
        self.changed.notify_waiters();
        match takes {
            Some(Takes::Superseded) => return Err(JournalError::Superseded),
            Some(Takes::Panics) => panic!("the journal failed"),
            Some(Takes::Never) => std::future::pending().await,
            Some(Takes::Quota) => return Err(JournalError::Quota("too much is kept".into())),
            None => {}
        }
        self.tables().finish(finish)?;
        self.changed.notify_waiters();
        Ok(())
    }

    async fn pending(
        &self,
        plugin: PluginKey,
        after: DeliveryId,
        limit: usize,
    ) -> Result<PendingPage, JournalError> {
        Ok(self.page(&plugin, false, after, limit))
    }

    async fn pending_manual(
        &self,
        plugin: PluginKey,
        after: DeliveryId,
        limit: usize,
    ) -> Result<PendingPage, JournalError> {
        Ok(self.page(&plugin, true, after, limit))
    }
}
