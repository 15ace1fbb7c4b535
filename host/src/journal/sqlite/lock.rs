//! One host for one data folder.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::OpenError;

/// The lock file's name in the data folder.
const LOCK_FILE: &str = "lock";

/// Holds the data folder; the system frees it when the process ends, however
/// it ends. The file says which process has held it last, for messages.
#[derive(Debug)]
pub(super) struct FolderLock(#[expect(dead_code, reason = "held, not read")] File);

/// Whether a folder was free.
#[derive(Debug)]
pub(super) enum Probe {
    /// It was, and is held now.
    Free(FolderLock),
    /// Another process holds it: which, if it is known.
    Held(Option<u32>),
    /// No host has ever held it.
    Untouched,
}

impl FolderLock {
    /// Creates the folder if need be (only its owner may look inside: bodies
    /// are private) and locks it.
    pub(super) fn take(folder: &Path) -> Result<Self, OpenError> {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        created.map_err(|source| failed(folder, source))?;
        let mut file = open(folder, true).map_err(|source| failed(folder, source))?;
        match file.try_lock() {
            Ok(()) => {
                // Only for the message: a full disk is no reason not to start.
                let _ = write_holder(&mut file);
                Ok(Self(file))
            }
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
                folder: folder.into(),
                holder: read_holder(&mut file),
            }),
            Err(TryLockError::Error(source)) => Err(failed(folder, source)),
        }
    }

    /// Locks a folder that hosts use, unless one holds it. Makes no file: what
    /// another user makes there the host can't open.
    pub(super) fn probe(folder: &Path) -> Result<Probe, OpenError> {
        let mut file = match open(folder, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Probe::Untouched),
            Err(source) => return Err(failed(folder, source)),
        };
        match file.try_lock() {
            Ok(()) => {
                let _ = write_holder(&mut file);
                Ok(Probe::Free(Self(file)))
            }
            Err(TryLockError::WouldBlock) => Ok(Probe::Held(read_holder(&mut file))),
            Err(TryLockError::Error(source)) => Err(failed(folder, source)),
        }
    }
}

fn open(folder: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new()
        .create(create)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(folder.join(LOCK_FILE))
}

fn failed(folder: &Path, source: io::Error) -> OpenError {
    OpenError::Folder {
        folder: folder.into(),
        source,
    }
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

/// The process in the file; nothing where a host is just about to write it.
fn read_holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
