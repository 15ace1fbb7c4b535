//! Which files a host needs, and for what.
//!
//! Where others replace files by rename (name resolution, libraries, the plugins
//! folder itself), the folder around them is named: Landlock knows files and
//! folders themselves, not their names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::getuid;

/// What the operator's settings say that a host needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Its data folder, which must exist.
    pub data: PathBuf,
    /// The plugins folders, which must exist.
    pub plugins: Vec<PathBuf>,
    /// Other files that are read after the start.
    pub files: Vec<PathBuf>,
    /// The TCP ports that it listens on; 0 is any that is free.
    pub ports: Vec<u16>,
}

/// What may be done with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Read and list.
    Read,
    /// Read, list and run.
    Run,
    /// Read and write what is there.
    Write,
    /// Everything but running, and making devices.
    Own,
}

/// A file, or a folder with all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) used: Use,
}

/// All places of a host with these needs, those that aren't there included.
pub(super) fn of(needs: &Needs) -> Vec<Place> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let plugins = needs.plugins.iter().map(|folder| around(folder));
    let run = ["/proc/self/exe".into()]
        .into_iter()
        .chain(libraries(&maps));
    let read = SYSTEM.iter().map(PathBuf::from).chain(resolver());
    let read = read.chain(plugins).chain(needs.files.iter().cloned());
    let write = WRITTEN.iter().map(PathBuf::from);
    let own = [needs.data.clone()].into_iter();
    let mut places = Vec::new();
    let mut add = |paths: &mut dyn Iterator<Item = PathBuf>, used| {
        places.extend(paths.map(|path| Place { path, used }));
    };
    add(&mut { run }, Use::Run);
    add(&mut { read }, Use::Read);
    add(&mut { write }, Use::Write);
    add(&mut { own }, Use::Own);
    places.push(processes(getuid().is_root()));
    places
}

/// Name resolution, the loader's cache; how many processors and how much memory
/// there are; randomness.
const SYSTEM: &[&str] = &[
    "/etc",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/dev/random",
    "/dev/urandom",
];

/// Standard input and output of children.
const WRITTEN: &[&str] = &["/dev/null"];

/// A compile child says of itself that it is the first to go where memory runs
/// out, in `/proc`. Landlock keeps other processes' entries out of reach, but
/// root could change the system there, so as root it isn't said.
fn processes(root: bool) -> Place {
    Place {
        path: "/proc".into(),
        used: if root { Use::Read } else { Use::Write },
    }
}

/// `resolv.conf` is often a link to a file that a service replaces.
fn resolver() -> Option<PathBuf> {
    let file = fs::canonicalize("/etc/resolv.conf").ok()?;
    folder_of(&file)
}

/// The folder that `folder` lies in, so that another one may take its name; itself
/// if that would be the whole file system.
fn around(folder: &Path) -> PathBuf {
    let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    folder_of(&real).unwrap_or(real)
}

/// The folder that a file lies in, if it isn't the root.
fn folder_of(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    folder.parent()?;
    Some(folder.to_owned())
}

/// The folders of the shared libraries in this list of mappings, which the same
/// program needs as a child: the loader is one of them. They, and not the files:
/// an update of the system replaces these.
fn libraries(maps: &str) -> BTreeSet<PathBuf> {
    let executable = |line: &str| {
        let mut parts = line.split_whitespace();
        let rights = parts.nth(1)?;
        let path = Path::new(parts.nth(3)?);
        let name = path.file_name()?.to_str()?;
        let library = name.contains(".so") && rights.contains('x');
        (library && path.is_absolute()).then(|| folder_of(path))?
    };
    maps.lines().filter_map(executable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_folders_are_found_in_the_mappings() {
        let maps = "\
55d0c0000000-55d0c0001000 r-xp 00000000 fe:00 11   /usr/bin/hookbox
7f0000000000-7f0000001000 r--p 00000000 fe:00 12   /usr/lib/x86_64-linux-gnu/libc.so.6
7f0000001000-7f0000002000 r-xp 00001000 fe:00 12   /usr/lib/x86_64-linux-gnu/libc.so.6
7f0000003000-7f0000004000 r-xp 00000000 fe:00 13   /lib64/ld-linux-x86-64.so.2
7f0000005000-7f0000006000 r--s 00000000 fe:00 14   /srv/data/some.so.map
7f0000007000-7f0000008000 rw-p 00000000 00:00 0
7ffc00000000-7ffc00001000 r-xp 00000000 00:00 0    [vdso]
7f0000009000-7f000000a000 r-xp 00000000 fe:00 15   /strange.so
";
        let folders: Vec<PathBuf> = libraries(maps).into_iter().collect();
        assert_eq!(
            folders,
            [Path::new("/lib64"), Path::new("/usr/lib/x86_64-linux-gnu")]
        );
    }

    #[test]
    fn never_the_whole_file_system() {
        let all = of(&Needs {
            data: "/data".into(),
            plugins: vec!["/plugins".into(), "/".into()],
            ..Needs::default()
        });
        let path = |path: &str| all.iter().find(|place| place.path == Path::new(path));
        assert_eq!(path("/plugins").map(|place| place.used), Some(Use::Read));
        // Only who names it as the plugins folder has it, to read.
        assert_eq!(path("/").map(|place| place.used), Some(Use::Read));
        assert_eq!(around(Path::new("/x/plugins")), Path::new("/x"));
        assert_eq!(around(Path::new("/plugins")), Path::new("/plugins"));
    }

    #[test]
    fn root_may_not_write_where_the_system_is_changed() {
        assert_eq!(processes(true).used, Use::Read);
        assert_eq!(processes(false).used, Use::Write);
    }
}
