//! Looks at files of the plugins folder and reads them, trusting nothing there.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::contract;
use crate::types::PluginName;
use crate::types::names::NameError;

/// The largest file that is taken, in bytes: the bound of `hookbox check` as well.
pub const MAX_WASM: u64 = contract::MAX_BYTES as u64;

/// The largest manifest, in bytes.
pub const MAX_MANIFEST: u64 = 256 << 10;

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds; the change time as well, which can't be set back.
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A plugin's two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Files {
    /// `NAME.wasm`
    pub wasm: Stamp,
    /// `NAME.toml`, if there is one.
    pub manifest: Option<Stamp>,
}

/// What `NAME.wasm` is: the plugin's files, or why it can't be used. A file that
/// can't be used is still there, so what runs under its name goes on.
pub type Found = Result<Files, Refusal>;

/// Why a file is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its stem can't be a plugin's name.
    #[error("its name can't be a plugin's name ({0}); rename the file")]
    Name(#[from] NameError),
    /// `.WASM`, say.
    #[error("its ending must be `.wasm`, in lower case; rename the file")]
    Ending,
    /// A link, FIFO, device or socket.
    #[error("it is {0}, not a regular file; put the file itself there")]
    NotAFile(&'static str),
    /// More than a component can have.
    #[error("it has {0} bytes, and at most {MAX_WASM} are taken")]
    TooLarge(u64),
    /// Compiled code, which the host makes itself.
    #[error("compiled code is not taken from the plugins folder; put the .wasm there")]
    Compiled,
    /// There are more than this.
    #[error(
        "there are more than {0} plugins in the folder; remove some, or raise `limits.plugins`"
    )]
    TooMany(usize),
}

/// The files of a plugin as they are; `None` where there are none.
pub(super) fn files(folder: &Path, name: &PluginName) -> Option<Found> {
    let wasm = fs::symlink_metadata(folder.join(format!("{name}.wasm"))).ok()?;
    if wasm.is_dir() {
        return None;
    }
    let manifest = fs::symlink_metadata(folder.join(format!("{name}.toml")));
    Some(check(&wasm).map(|()| Files {
        wasm: stamp(&wasm),
        manifest: manifest.ok().as_ref().map(stamp),
    }))
}

fn check(metadata: &fs::Metadata) -> Result<(), Refusal> {
    if let Some(other) = kind_of(metadata) {
        return Err(Refusal::NotAFile(other));
    }
    if metadata.len() > MAX_WASM {
        return Err(Refusal::TooLarge(metadata.len()));
    }
    Ok(())
}

/// What it is if it is no regular file.
fn kind_of(metadata: &fs::Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_symlink() {
        Some("a symbolic link")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_dir() {
        Some("a folder")
    } else {
        Some("a device")
    }
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    Stamp {
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// Reads a regular file of at most `limit` bytes; doesn't follow a link and
/// doesn't block on a FIFO that has taken the file's place since the listing.
///
/// # Errors
/// When it isn't such a file or can't be read.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_open(open(path)?, limit)
}

/// Opens a regular file as [`read`] does.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let refused = |kind| Err(io::Error::other(Refusal::NotAFile(kind)));
    // Opening a device can have it do something.
    if let Some(other) = kind_of(&fs::symlink_metadata(path)?) {
        return refused(other);
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::options()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)?;
    match kind_of(&file.metadata()?) {
        Some(other) => refused(other),
        None => Ok(file),
    }
}

/// Reads at most `limit` bytes.
pub(super) fn read_open(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::other(format!("it has more than {limit} bytes"));
    if file.metadata()?.len() > limit {
        return Err(too_large());
    }
    // It may grow meanwhile.
    let mut bytes = Vec::new();
    let mut bounded = file.take(limit.saturating_add(1));
    bounded.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_not_followed_even_when_it_appears_after_the_listing() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let link = folder.path().join("a.wasm");
        std::os::unix::fs::symlink("/etc/hostname", &link).expect("linked");
        assert!(read(&link, 1 << 20).is_err());
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("a.wasm");
        fs::write(&path, [0; 11]).expect("written");
        assert!(read(&path, 10).is_err());
        assert_eq!(read(&path, 11).expect("it fits").len(), 11);
    }
}
