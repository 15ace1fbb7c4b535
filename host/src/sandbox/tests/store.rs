//! Entries in memory, for attempts of tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::sandbox::kv::{KvProblem, KvSource};
use crate::types::effects::{KvEntry, KvKey, KvPage, KvSnapshot, KvVersion};

/// One bucket, `b`; the snapshot is of version 5.
#[derive(Default)]
pub(in crate::sandbox) struct Stored {
    pub(in crate::sandbox) entries: BTreeMap<String, KvEntry>,
    /// Bytes that the plugin has.
    pub(in crate::sandbox) used: u64,
    /// What opening it says instead of working.
    pub(in crate::sandbox) broken: Option<KvProblem>,
    /// The entry whose writers run one at a time, and it isn't this one's turn.
    pub(in crate::sandbox) contended: Option<KvKey>,
    /// What was touched.
    pub(in crate::sandbox) touched: Mutex<Vec<String>>,
}

impl Stored {
    pub(in crate::sandbox) fn with(key: &str, value: &str, version: i64) -> Self {
        let mut stored = Self::default();
        let entry = KvEntry {
            value: Bytes::copy_from_slice(value.as_bytes()),
            version: KvVersion(version),
        };
        stored.entries.insert(key.to_owned(), entry);
        stored
    }

    pub(in crate::sandbox) fn touched(&self) -> Vec<String> {
        self.touched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl KvSource for Stored {
    async fn open(&self) -> Result<KvSnapshot, KvProblem> {
        match &self.broken {
            Some(problem) => Err(problem.clone()),
            None => Ok(KvSnapshot {
                version: KvVersion(5),
                used: self.used,
            }),
        }
    }

    async fn get(&self, _: &str, keys: Vec<String>) -> Result<Vec<Option<KvEntry>>, KvProblem> {
        // A store is on another thread.
        tokio::task::yield_now().await;
        Ok(keys
            .iter()
            .map(|key| self.entries.get(key).cloned())
            .collect())
    }

    async fn list(&self, _: &str, after: Option<String>) -> Result<KvPage, KvProblem> {
        let above = |key: &&String| after.as_ref().is_none_or(|after| *key > after);
        let mut keys: Vec<_> = self.entries.keys().filter(above).take(3).collect();
        let more = keys.len() == 3;
        keys.truncate(2);
        let keys = keys.into_iter().map(|key| (key.clone(), KvVersion(1)));
        Ok(KvPage {
            keys: keys.collect(),
            more,
        })
    }

    fn touch(&self, at: &KvKey) -> Result<(), KvProblem> {
        if self.contended.as_ref() == Some(at) {
            return Err(KvProblem::Conflict { at: at.clone() });
        }
        self.touched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(at.key.clone());
        Ok(())
    }
}
