//! Compiled code, kept so that a start doesn't compile everything again.
//!
//! An entry is keyed by the component's content, the engine and its settings,
//! and carries an HMAC under a key of this data folder. The bytes that are
//! verified are the bytes that are loaded: an entry is read into memory once.
//! Someone who can write to the data folder can run code in the host anyway and
//! is out of scope.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::folder;

/// The size of all entries, in bytes, that the oldest are removed to keep.
const MAX_TOTAL: u64 = 2 << 30;

/// The largest entry, in bytes.
const MAX_ENTRY: u64 = 1 << 30;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHash([u8; 32]);

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

/// The folder of compiled code.
#[derive(Debug)]
pub struct CodeCache {
    folder: PathBuf,
    secret: [u8; 32],
}

impl CodeCache {
    /// Opens or creates the cache in the data folder.
    ///
    /// # Errors
    /// When its folder or key can't be made or read.
    pub fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join("code");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let secret = load_or_make_secret(&data.join("code.key"))?;
        Ok(Self { folder, secret })
    }

    /// The entry's content, if there is one and it is ours.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Vec<u8>> {
        let path = self.path(key);
        let mut entry = folder::read(&path, MAX_ENTRY).ok()?;
        if entry.len() < TAG {
            return None;
        }
        let tag = entry.split_off(entry.len() - TAG);
        if self.mac(key, &entry).verify_slice(&tag).is_err() {
            tracing::warn!(
                entry = %path.display(),
                "an entry of the code cache doesn't verify; it is removed and compiled again"
            );
            let _ = fs::remove_file(&path);
            return None;
        }
        Some(entry)
    }

    /// Adds an entry, and removes the oldest if they have become too many.
    ///
    /// # Errors
    /// When it can't be written; the cache is unchanged then.
    pub fn put(&self, key: &Key, content: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(content)?;
        file.write_all(&self.mac(key, content).finalize().into_bytes())?;
        file.persist(self.path(key))
            .map_err(|failed| failed.error)?;
        self.shrink()
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
        entries.sort_unstable_by(|a, b| b.cmp(a));
        let mut total = 0u64;
        for (_, size, path) in entries {
            total = total.saturating_add(size);
            if total > MAX_TOTAL {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn load_or_make_secret(path: &Path) -> io::Result<[u8; 32]> {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    match File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(nofollow)
        .open(path)
    {
        Ok(mut file) => {
            let mut secret = [0; 32];
            // A version-4 UUID carries 122 bits from the system's generator.
            for part in secret.chunks_exact_mut(16) {
                part.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
            }
            file.write_all(&secret)?;
            file.sync_all()?;
            Ok(secret)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let bytes = folder::read(path, 32)?;
            bytes.try_into().map_err(|_| {
                io::Error::other(format!(
                    "{} is damaged; remove it and the folder `code` beside it",
                    path.display()
                ))
            })
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(content: &[u8]) -> Key {
        Key::new(&ContentHash::of(content), 7)
    }

    #[test]
    fn an_entry_comes_back_after_a_restart() {
        let data = tempfile::tempdir().expect("a scratch folder");
        let cache = CodeCache::open(data.path()).expect("opened");
        cache.put(&key(b"a"), b"code").expect("stored");
        let again = CodeCache::open(data.path()).expect("opened");
        assert_eq!(again.get(&key(b"a")).as_deref(), Some(&b"code"[..]));
        assert_eq!(again.get(&key(b"b")), None);
    }

    #[test]
    fn a_changed_or_renamed_entry_is_not_used() {
        let data = tempfile::tempdir().expect("a scratch folder");
        let cache = CodeCache::open(data.path()).expect("opened");
        cache.put(&key(b"a"), b"code").expect("stored");
        fs::copy(cache.path(&key(b"a")), cache.path(&key(b"b"))).expect("copied");
        assert_eq!(cache.get(&key(b"b")), None);

        let mut bytes = fs::read(cache.path(&key(b"a"))).expect("read");
        bytes[0] ^= 1;
        fs::write(cache.path(&key(b"a")), bytes).expect("written");
        assert_eq!(cache.get(&key(b"a")), None);
    }
}
