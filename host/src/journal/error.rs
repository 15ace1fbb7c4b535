//! Why the journal did not do something.

use crate::types::effects::KvKey;

/// Why the journal did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// No space for it: nothing was stored, and the engine goes on.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The disk did not confirm the write: it may or may not be there after the
    /// next start. The engine has reopened its files, or ends the process.
    #[error("the disk did not confirm the write: {0}")]
    Unconfirmed(String),
    /// The delivery was finished by someone else.
    #[error("the delivery had been finished already")]
    Superseded,
    /// What the attempt read has changed since: nothing was stored, and the
    /// attempt is to be made again.
    #[error("another attempt has changed {at}")]
    Conflict {
        /// The entry, or an entry of the range that it listed.
        at: KvKey,
    },
    /// The effects don't fit into the plugin's share: nothing was stored.
    #[error("{0}")]
    Quota(String),
    /// Reading failed.
    #[error("reading the journal failed: {0}")]
    Read(String),
    /// The journal is closed.
    #[error("the journal is closed")]
    Closed,
}
