//! The key that the cache's entries are signed with: 32 bytes that only the
//! host's user can read. Compile children can't open it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::process::geteuid;

use super::super::folder;

const BYTES: usize = 32;

/// Reads the key, or makes one. One that others may know is replaced: what was
/// signed with it doesn't verify any more and is compiled again.
pub(super) fn load_or_make(path: &Path) -> io::Result<[u8; BYTES]> {
    match load(path) {
        Ok(secret) => Ok(secret),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(problem) => {
            tracing::warn!(
                key = %path.display(),
                "the key of the code cache is replaced, and plugins are compiled again: {problem}"
            );
            make(path)
        }
    }
}

fn load(path: &Path) -> io::Result<[u8; BYTES]> {
    let file = folder::open(path)?;
    check_private(&file)?;
    let bytes = folder::read_open(file, BYTES as u64)?;
    bytes
        .try_into()
        .map_err(|_| io::Error::other("it is damaged"))
}

/// Fails unless the file is this user's and nobody else may use it.
pub(super) fn check_private(file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    if metadata.uid() != geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::other("other users may use it"));
    }
    Ok(())
}

fn make(path: &Path) -> io::Result<[u8; BYTES]> {
    let mut secret = [0; BYTES];
    // A version-4 UUID carries 122 bits from the system's generator.
    for part in secret.chunks_exact_mut(16) {
        part.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    // Made under a new name with the mode 0600; takes the place of a link
    // instead of following it.
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(&secret)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_key_is_private_and_stays_until_others_may_know_it() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("code.key");
        let first = load_or_make(&path).expect("made");
        let mode = fs::metadata(&path).expect("it is there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        assert_eq!(load_or_make(&path).expect("read"), first);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        let second = load_or_make(&path).expect("made anew");
        assert_ne!(second, first);

        fs::write(&path, b"short").expect("written");
        let third = load_or_make(&path).expect("made anew");
        assert_ne!(third, second);
        assert_eq!(load_or_make(&path).expect("read"), third);
    }

    #[test]
    fn a_link_in_its_place_is_not_followed_but_replaced() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (path, known) = (folder.path().join("code.key"), folder.path().join("known"));
        fs::write(&known, [7; BYTES]).expect("written");
        fs::set_permissions(&known, fs::Permissions::from_mode(0o600)).expect("set");
        std::os::unix::fs::symlink(&known, &path).expect("linked");

        let secret = load_or_make(&path).expect("made");

        assert_ne!(secret, [7; BYTES]);
        assert_eq!(fs::read(&known).expect("read"), [7; BYTES]);
        assert!(fs::symlink_metadata(&path).expect("it is there").is_file());
    }
}
