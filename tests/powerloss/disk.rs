//! The preloaded disk, and a life of a process on it.

use std::cell::Cell;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::child::{CHILD, Mode};

/// The exit code of a power cut.
const CUT: i32 = 99;

/// `shim.c`, compiled.
pub(crate) struct Disk {
    library: PathBuf,
    /// How many lives reopened their journal after a failed sync.
    pub(crate) reopened: Cell<usize>,
    _folder: TempDir,
}

/// What a process did until its power went.
pub(crate) struct Life {
    /// What it said, line by line.
    pub(crate) lines: Vec<String>,
    /// At which write or sync it ended.
    pub(crate) cut_at: u64,
}

impl Disk {
    /// Compiles the library with the system's C compiler.
    pub(crate) fn build() -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let library = folder.path().join("powerloss.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/powerloss/shim.c");
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
            reopened: Cell::new(0),
            _folder: folder,
        }
    }

    /// Runs a child on `folder` until its power goes.
    pub(crate) fn live(
        &self,
        folder: &Path,
        mode: Mode,
        seed: u64,
        fail_sync: Option<u64>,
    ) -> Life {
        // Spread over a start, a few commits, and many checkpoints.
        let cut_at = 40 + (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 3000;
        let mut command = Command::new(env::current_exe().expect("this program"));
        command
            .env(CHILD, folder)
            .env("POWERLOSS_MODE", mode.name())
            .env("LD_PRELOAD", &self.library)
            .env("POWERLOSS_FOLDER", folder)
            .env("POWERLOSS_AT", cut_at.to_string())
            .env("POWERLOSS_SEED", seed.to_string())
            .stdout(Stdio::piped());
        if let Some(number) = fail_sync {
            command.env("POWERLOSS_FAIL_SYNC", number.to_string());
        }
        let output = command.output().expect("it runs");
        assert_eq!(
            output.status.code(),
            Some(CUT),
            "seed {seed}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).expect("text");
        // The last line may be cut short: it was never said, then.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Life {
            lines: whole.lines().map(str::to_owned).collect(),
            cut_at,
        }
    }
}
