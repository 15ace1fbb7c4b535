//! A plugin's entries, for one attempt: the journal behind the sandbox's
//! [`KvSource`].

use std::sync::Arc;

use async_trait::async_trait;

use crate::journal::{JournalError, KeyValue};
use crate::sandbox::{KvProblem, KvSource};
use crate::types::PluginKey;
use crate::types::effects::{KvEntry, KvKey, KvPage, KvSnapshot};

/// The entries of one plugin.
pub(super) struct Keep {
    pub(super) journal: Arc<dyn KeyValue>,
    pub(super) plugin: PluginKey,
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
        let entries = self.journal.kv_get(&self.plugin, bucket, keys).await;
        entries.map_err(unavailable)
    }

    async fn list(&self, bucket: &str, after: Option<String>) -> Result<KvPage, KvProblem> {
        let page = self.journal.kv_list(&self.plugin, bucket, after).await;
        page.map_err(unavailable)
    }

    fn touch(&self, _: &KvKey) -> Result<(), KvProblem> {
        Ok(())
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn unavailable(error: JournalError) -> KvProblem {
    KvProblem::Unavailable(error.to_string())
}
