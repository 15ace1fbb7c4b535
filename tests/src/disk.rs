//! A disk that loses its power, fills up, or fails to sync: a library (`disk.c`)
//! that is preloaded into a process and stands between it and the files of one
//! folder.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::wait_for;

/// The exit code of a process whose power was cut.
pub const CUT: i32 = 99;

/// The library, compiled.
#[derive(Debug)]
pub struct Disk {
    library: PathBuf,
    _folder: TempDir,
}

impl Disk {
    /// Compiles it with the system's C compiler.
    ///
    /// # Panics
    /// When there is no C compiler.
    #[must_use]
    pub fn build() -> Self {
        let folder = TempDir::new().expect("a scratch folder");
        let library = folder.path().join("disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/disk.c");
        let status = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()))
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o"])
            .arg(&library)
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .status()
            .expect("a C compiler: install one, or name it in CC");
        assert!(status.success(), "the C compiler failed: {status}");
        Self {
            library,
            _folder: folder,
        }
    }

    /// The variables that put a process's files in `folder` on this disk.
    #[must_use]
    pub fn variables(&self, folder: &Path) -> Vec<(String, String)> {
        vec![
            ("LD_PRELOAD".into(), self.library.display().to_string()),
            ("DISK_FOLDER".into(), folder.display().to_string()),
            // Faults are switched on outside a host's own folders.
            ("HOOKBOX_HOST_CONFINE".into(), "off".into()),
        ]
    }
}

/// The variables that have the power go at this write or sync, counted from 1,
/// with `seed` for what chance decides.
#[must_use]
pub fn cut_at(step: u64, seed: u64) -> Vec<(String, String)> {
    vec![
        ("DISK_CUT_AT".into(), step.to_string()),
        ("DISK_SEED".into(), seed.to_string()),
    ]
}

/// The variable that has syncs do nothing: what a test does with such a disk has
/// to fail.
#[must_use]
pub fn lies() -> (String, String) {
    ("DISK_LIES".into(), "1".into())
}

/// What goes wrong with a disk while a process runs on it.
#[derive(Debug)]
pub struct Faults {
    folder: TempDir,
}

impl Faults {
    /// Nothing yet.
    ///
    /// # Panics
    /// When there is no scratch folder.
    #[must_use]
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a scratch folder"),
        }
    }

    /// The variable that has the disk look for them.
    #[must_use]
    pub fn variable(&self) -> (String, String) {
        let folder = self.folder.path().display().to_string();
        ("DISK_FAULTS".into(), folder)
    }

    /// No file can grow from now on.
    pub fn fill(&self) {
        self.set("full");
    }

    /// There is space again.
    ///
    /// # Panics
    /// When the disk was not full.
    pub fn free(&self) {
        fs::remove_file(self.path("full")).expect("it was full");
    }

    /// The next sync fails and forgets what it should have written; waits until
    /// it has.
    pub fn fail_a_sync(&self) {
        self.set("fail-sync");
        wait_for("a sync to fail", || {
            (!self.path("fail-sync").exists()).then_some(())
        });
    }

    /// The power goes at the next write or sync.
    pub fn cut(&self) {
        self.set("cut");
    }

    fn set(&self, name: &str) {
        fs::write(self.path(name), "").expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}
