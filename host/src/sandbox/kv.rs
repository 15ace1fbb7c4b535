//! Where a handler's entries come from. The sandbox knows no store: dispatch
//! gives each attempt one of these.

use async_trait::async_trait;

use crate::types::effects::{KvEntry, KvKey, KvPage, KvSnapshot};

/// The entries of one plugin, for one attempt.
#[async_trait]
pub trait KvSource: Send + Sync {
    /// The state that the attempt starts from.
    ///
    /// # Errors
    /// [`KvProblem::Unavailable`]
    async fn open(&self) -> Result<KvSnapshot, KvProblem>;

    /// The entries with these keys, in the same order.
    ///
    /// # Errors
    /// When the store can't be read, or as for [`KvSource::touch`].
    async fn get(&self, bucket: &str, keys: Vec<String>)
    -> Result<Vec<Option<KvEntry>>, KvProblem>;

    /// Some keys of a bucket, those above `after`.
    ///
    /// # Errors
    /// [`KvProblem::Unavailable`]
    async fn list(&self, bucket: &str, after: Option<String>) -> Result<KvPage, KvProblem>;

    /// The attempt is about to write this entry. Called once for each entry, and
    /// before it is read where the read is part of the write (`atomics`).
    ///
    /// # Errors
    /// [`KvProblem::Conflict`] if its writers run one at a time at present and it
    /// isn't this attempt's turn.
    fn touch(&self, at: &KvKey) -> Result<(), KvProblem>;
}

/// Why an attempt can't go on with its entries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvProblem {
    /// The attempt is to be made again from the start.
    #[error("another attempt has changed {at}")]
    Conflict {
        /// The entry.
        at: KvKey,
    },
    /// The store can't be read.
    #[error("key-value can't be read now: {0}")]
    Unavailable(String),
}
