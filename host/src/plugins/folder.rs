//! Lists the plugins folder and reads files from it, trusting nothing there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::contract;
use crate::types::PluginName;
use crate::types::names::NameError;

/// The largest file that is taken, in bytes: the bound of `hookbox check` as well.
pub const MAX_WASM: u64 = contract::MAX_BYTES as u64;

/// The largest manifest, in bytes.
pub const MAX_MANIFEST: u64 = 256 << 10;

/// The most plugins in a folder.
pub const MAX_PLUGINS: usize = 1000;

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

/// What is in the folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// What has a plugin's name.
    pub plugins: BTreeMap<PluginName, Found>,
    /// Files that look like plugins and aren't, with the reason.
    pub refused: BTreeMap<PathBuf, Refusal>,
}

impl Listing {
    /// Keeps at most `most` plugins, those that are `known` before others: one
    /// file too many must not evict a plugin that runs.
    #[must_use]
    pub fn bounded(
        mut self,
        folder: &Path,
        most: usize,
        known: impl Fn(&PluginName) -> bool,
    ) -> Self {
        let surplus = self.plugins.len().saturating_sub(most);
        if surplus > 0 {
            let mut names: Vec<PluginName> = self.plugins.keys().rev().cloned().collect();
            // Stable: unknown ones first, and of these the last by name.
            names.sort_by_key(&known);
            for name in names.into_iter().take(surplus) {
                self.plugins.remove(&name);
                let path = folder.join(format!("{name}.wasm"));
                self.refused.insert(path, Refusal::TooMany);
            }
        }
        self
    }
}

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
    /// There are too many.
    #[error("there are more than {MAX_PLUGINS} plugins in the folder; remove some")]
    TooMany,
}

/// Lists `folder`. Sub-folders and other files are left alone.
///
/// # Errors
/// When the folder can't be read.
pub fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        let is_cwasm = ending.is_some_and(|ending| ending.eq_ignore_ascii_case("cwasm"));
        let is_wasm = ending.is_some_and(|ending| ending.eq_ignore_ascii_case("wasm"));
        if !is_wasm && !is_cwasm {
            continue;
        }
        // A file may vanish between two looks.
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            continue;
        }
        let named = if is_cwasm {
            Err(Refusal::Compiled)
        } else {
            name_of(&path)
        };
        match named {
            Ok(name) => {
                let found = check(&metadata).map(|()| Files {
                    wasm: stamp(&metadata),
                    manifest: fs::symlink_metadata(folder.join(format!("{name}.toml")))
                        .ok()
                        .as_ref()
                        .map(stamp),
                });
                listing.plugins.insert(name, found);
            }
            Err(refusal) => {
                listing.refused.insert(path, refusal);
            }
        }
    }
    Ok(listing)
}

fn name_of(path: &Path) -> Result<PluginName, Refusal> {
    if path.extension().is_some_and(|ending| ending != "wasm") {
        return Err(Refusal::Ending);
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(PluginName::new(&stem)?)
}

fn check(metadata: &fs::Metadata) -> Result<(), Refusal> {
    let kind = metadata.file_type();
    if !kind.is_file() {
        return Err(Refusal::NotAFile(if kind.is_symlink() {
            "a symbolic link"
        } else if kind.is_fifo() {
            "a FIFO"
        } else if kind.is_socket() {
            "a socket"
        } else {
            "a device"
        }));
    }
    if metadata.len() > MAX_WASM {
        return Err(Refusal::TooLarge(metadata.len()));
    }
    Ok(())
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
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::options()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

/// Reads at most `limit` bytes.
pub(super) fn read_open(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut bounded = file.take(limit.saturating_add(1));
    bounded.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> PluginName {
        PluginName::new(text).expect("a good name")
    }

    #[test]
    fn only_regular_wasm_files_with_good_names_are_plugins() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let at = |file: &str| folder.path().join(file);
        fs::write(at("greeter.wasm"), b"\0asm").expect("written");
        fs::write(at("greeter.toml"), b"").expect("written");
        fs::write(at("notes.txt"), b"").expect("written");
        fs::write(at("Greeter.wasm"), b"\0asm").expect("written");
        fs::write(at("fast.cwasm"), b"\x7fELF").expect("written");
        fs::create_dir(at("sources.wasm")).expect("made");
        std::os::unix::fs::symlink("/etc/passwd", at("link.wasm")).expect("linked");

        fs::write(at("loud.wAsM"), b"\0asm").expect("written");

        let listing = list(folder.path()).expect("it can be read");

        assert_eq!(
            listing.plugins.keys().collect::<Vec<_>>(),
            [&name("greeter"), &name("link")]
        );
        let greeter = listing.plugins[&name("greeter")].as_ref();
        assert!(greeter.expect("it is usable").manifest.is_some());
        let refusal = |file: &str| listing.refused.get(&at(file)).cloned();
        assert!(matches!(refusal("Greeter.wasm"), Some(Refusal::Name(_))));
        assert_eq!(refusal("fast.cwasm"), Some(Refusal::Compiled));
        assert_eq!(refusal("loud.wAsM"), Some(Refusal::Ending));
        assert_eq!(listing.refused.len(), 3);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_still_there_under_its_name() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let at = |file: &str| folder.path().join(file);
        std::os::unix::fs::symlink("/etc/passwd", at("link.wasm")).expect("linked");
        std::os::unix::net::UnixListener::bind(at("socket.wasm")).expect("bound");
        let sized = |file: &str, size: u64| {
            let file = File::create(at(file)).expect("created");
            file.set_len(size).expect("sized");
        };
        sized("fits.wasm", contract::MAX_BYTES as u64);
        sized("large.wasm", contract::MAX_BYTES as u64 + 1);

        let listing = list(folder.path()).expect("it can be read");

        assert!(listing.refused.is_empty());
        let found = |text: &str| listing.plugins[&name(text)].clone();
        assert_eq!(found("link"), Err(Refusal::NotAFile("a symbolic link")));
        assert_eq!(found("socket"), Err(Refusal::NotAFile("a socket")));
        assert!(found("fits").is_ok());
        assert!(matches!(found("large"), Err(Refusal::TooLarge(_))));
    }

    #[test]
    fn one_file_too_many_evicts_none_that_is_known() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        for file in ["a", "b", "y", "z"] {
            fs::write(folder.path().join(format!("{file}.wasm")), b"\0asm").expect("written");
        }
        let known = name("z");

        let listing = list(folder.path()).expect("it can be read");
        let listing = listing.bounded(folder.path(), 2, |name| *name == known);

        assert_eq!(
            listing.plugins.keys().collect::<Vec<_>>(),
            [&name("a"), &name("z")]
        );
        let refusal = listing.refused.get(&folder.path().join("b.wasm"));
        assert_eq!(refusal, Some(&Refusal::TooMany));
        assert_eq!(listing.refused.len(), 2);
    }

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
