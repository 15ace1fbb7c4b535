//! Compiled code, kept so that a start doesn't compile everything again.
//!
//! An entry is keyed by the component's content, the engine and its settings,
//! and carries an HMAC under a key of this data folder. The bytes that are
//! verified are the bytes that are loaded: an entry is read into memory once.
//! Someone who can write to the data folder can run code in the host anyway and
//! is out of scope.

mod secret;

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::folder;

const TAG: usize = 32;

/// What identifies an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key of `wasm`'s code for an engine of that compatibility.
    #[must_use]
    pub fn new(content: &ContentHash, compatibility: u64) -> Self {
        Self(format!("{}-{compatibility:016x}", content.hex()))
    }
}

/// The SHA-256 of a plugin's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// Hashes a file's content.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// All of it in hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Enough of it to tell versions apart.
    #[must_use]
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.hex()
    }
}

impl TryFrom<String> for ContentHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut hash = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 2 * hash.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err("it isn't the hash of a file: 64 hexadecimal digits");
        }
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_default();
        }
        Ok(Self(hash))
    }
}

/// The folder of compiled code.
#[derive(Debug)]
pub struct CodeCache {
    folder: PathBuf,
    secret: [u8; 32],
    /// The size of all entries, in bytes, that the longest unused are removed
    /// to keep.
    most: u64,
    /// The entries that go last.
    pinned: Mutex<HashSet<PathBuf>>,
}

impl CodeCache {
    /// Opens or creates the cache in the data folder; it keeps `most` bytes.
    ///
    /// # Errors
    /// When its folder or key can't be made or read.
    pub fn open(data: &Path, most: u64) -> io::Result<Self> {
        let folder = data.join("code");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        make_private(&folder)?;
        let secret = secret::load_or_make(&data.join("code.key"))?;
        Ok(Self {
            folder,
            secret,
            most,
            pinned: Mutex::default(),
        })
    }

    /// The entry's content, if there is one and it is ours.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Vec<u8>> {
        let path = self.path(key);
        let entry = folder::open(&path).and_then(|file| {
            // For what is removed first; no reason not to use it.
            let _ = file.set_modified(SystemTime::now());
            folder::read_open(file, self.most.saturating_add(TAG as u64))
        });
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(problem) => {
                self.reject(key, &problem.to_string());
                return None;
            }
        };
        let verified = self.verified(key, entry);
        if verified.is_none() {
            self.reject(key, "it isn't what this host has stored");
        }
        verified
    }

    /// Whether there is an entry, good or not.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.path(key).exists()
    }

    /// Removes an entry that can't be used, and says why.
    pub fn reject(&self, key: &Key, why: &str) {
        let path = self.path(key);
        tracing::warn!(
            entry = %path.display(),
            "an entry of the code cache is removed, and the plugin compiled again: {why}"
        );
        let _ = fs::remove_file(&path);
    }

    /// Adds an entry, and removes the longest unused if they have become too many.
    ///
    /// # Errors
    /// When it can't be written; the cache is unchanged then.
    pub fn put(&self, key: &Key, content: &[u8]) -> io::Result<()> {
        if content.len() as u64 > self.most {
            return Err(io::Error::other(format!(
                "it has {} bytes, and the cache at most {}; raise `compile.cache`",
                content.len(),
                self.most
            )));
        }
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(content)?;
        file.write_all(&self.mac(key, content).finalize().into_bytes())?;
        file.persist(self.path(key))
            .map_err(|failed| failed.error)?;
        self.shrink()
    }

    /// From now on these entries are the last to be removed, and no others.
    pub fn pin(&self, keys: impl IntoIterator<Item = Key>) {
        let paths = keys.into_iter().map(|key| self.path(&key)).collect();
        *self.pinned() = paths;
    }

    fn pinned(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The content without its tag, if that is right.
    fn verified(&self, key: &Key, mut entry: Vec<u8>) -> Option<Vec<u8>> {
        let tag = entry.split_off(entry.len().checked_sub(TAG)?);
        self.mac(key, &entry).verify_slice(&tag).ok()?;
        Some(entry)
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(&key.0)
    }

    /// Covers the key as well: an entry can't be passed off as another one.
    fn mac(&self, key: &Key, content: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length is a key");
        mac.update(key.0.as_bytes());
        mac.update(b"\0");
        mac.update(content);
        mac
    }

    fn shrink(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let age = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            entries.push((age, metadata.len(), entry.path()));
        }
        let pinned = self.pinned().clone();
        let entries = entries.into_iter();
        let entries = entries.map(|(age, size, path)| (pinned.contains(&path), age, size, path));
        let mut entries: Vec<_> = entries.collect();
        entries.sort_unstable_by(|a, b| b.cmp(a));
        let mut total = 0u64;
        for (_, _, size, path) in entries {
            total = total.saturating_add(size);
            // The newest may be above by its tag.
            if total > self.most.saturating_add(TAG as u64) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Takes the folder from other users, who may have been let in by a restored
/// backup or an older mode. A link in its place is an error.
fn make_private(folder: &Path) -> io::Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = File::options()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(folder)?;
    if let Err(problem) = secret::check_private(&opened) {
        let closed = opened.set_permissions(Permissions::from_mode(0o700));
        if closed
            .and_then(|()| secret::check_private(&opened))
            .is_err()
        {
            // Entries are verified, whoever writes them.
            tracing::warn!(folder = %folder.display(), "the folder of compiled code: {problem}");
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
