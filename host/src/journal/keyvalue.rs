//! Reading what handlers keep. Their writes come with the outcome
//! ([`Queue::finish`](super::Queue::finish)), which checks what they read.

use async_trait::async_trait;

use super::JournalError;
use crate::types::PluginKey;
use crate::types::effects::{KvEntry, KvPage, KvSnapshot};

/// The most keys in one page of a listing.
pub const KV_PAGE: usize = 1000;

/// Reads entries. Each call sees what is committed at its own moment: whoever
/// puts several together has to check versions.
#[async_trait]
pub trait KeyValue: Send + Sync + 'static {
    /// The latest commit, and how much the plugin has.
    ///
    /// # Errors
    /// [`JournalError::Read`] or [`JournalError::Closed`].
    async fn kv_open(&self, plugin: &PluginKey) -> Result<KvSnapshot, JournalError>;

    /// The entries of a bucket with these keys, in the same order.
    ///
    /// # Errors
    /// As for [`KeyValue::kv_open`].
    async fn kv_get(
        &self,
        plugin: &PluginKey,
        bucket: &str,
        keys: Vec<String>,
    ) -> Result<Vec<Option<KvEntry>>, JournalError>;

    /// At most [`KV_PAGE`] keys of a bucket, those above `after`.
    ///
    /// # Errors
    /// As for [`KeyValue::kv_open`].
    async fn kv_list(
        &self,
        plugin: &PluginKey,
        bucket: &str,
        after: Option<String>,
    ) -> Result<KvPage, JournalError>;
}
