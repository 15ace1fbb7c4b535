//! One host for one data folder.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::OpenError;

/// The lock file's name in the data folder.
const LOCK_FILE: &str = "lock";

/// Holds the data folder; the system frees it when the process ends, however
/// it ends.
#[derive(Debug)]
pub(super) struct FolderLock(#[expect(dead_code, reason = "held, not read")] File);

impl FolderLock {
    /// Creates the folder if need be (only its owner may look inside: bodies
    /// are private) and locks it.
    pub(super) fn take(folder: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Folder {
            folder: folder.into(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join(LOCK_FILE))
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
                folder: folder.into(),
            }),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}
