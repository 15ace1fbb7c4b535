//! A plugin's entries, for one attempt: the journal behind the sandbox's
//! [`KvSource`].
//!
//! Entries that others claim at present are refused, which ends the attempt: it
//! would come too late anyway.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;

use super::contention::{Age, Claim, SharedContention};
use crate::journal::{JournalError, KeyValue};
use crate::sandbox::{KvProblem, KvSource};
use crate::types::PluginKey;
use crate::types::effects::{KvEntry, KvKey, KvPage, KvSnapshot};

/// The entries of one plugin.
pub(super) struct Keep {
    journal: Arc<dyn KeyValue>,
    plugin: PluginKey,
    contention: SharedContention,
    /// Under which the delivery holds what it claims.
    age: Option<Age>,
    refused: OnceLock<Claim>,
}

impl Keep {
    pub(super) fn new(
        journal: Arc<dyn KeyValue>,
        plugin: PluginKey,
        contention: SharedContention,
        age: Option<Age>,
    ) -> Self {
        Self {
            journal,
            plugin,
            contention,
            age,
            refused: OnceLock::new(),
        }
    }

    /// What the attempt was refused first, if anything.
    pub(super) fn refused(&self) -> Option<Claim> {
        self.refused.get().cloned()
    }

    fn check(&self, at: &KvKey) -> Result<(), KvProblem> {
        let Some(claim) = self.contention.lock().refuses(self.age, at) else {
            return Ok(());
        };
        self.refused.get_or_init(|| claim);
        Err(KvProblem::Conflict { at: at.clone() })
    }
}

#[async_trait]
impl KvSource for Keep {
    async fn open(&self) -> Result<KvSnapshot, KvProblem> {
        self.journal
            .kv_open(&self.plugin)
            .await
            .map_err(unavailable)
    }

    async fn get(
        &self,
        bucket: &str,
        keys: Vec<String>,
    ) -> Result<Vec<Option<KvEntry>>, KvProblem> {
        for key in &keys {
            self.check(&KvKey {
                bucket: bucket.to_owned(),
                key: key.clone(),
            })?;
        }
        let entries = self.journal.kv_get(&self.plugin, bucket, keys).await;
        entries.map_err(unavailable)
    }

    /// Claims don't matter here: who lists disturbs nobody.
    async fn list(&self, bucket: &str, after: Option<String>) -> Result<KvPage, KvProblem> {
        let page = self.journal.kv_list(&self.plugin, bucket, after).await;
        page.map_err(unavailable)
    }

    fn touch(&self, at: &KvKey) -> Result<(), KvProblem> {
        self.check(at)
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn unavailable(error: JournalError) -> KvProblem {
    KvProblem::Unavailable(error.to_string())
}
