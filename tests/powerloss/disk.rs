//! A life of a process on a disk that loses its power.

use std::cell::Cell;
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use hookbox_testkit::disk::{self, CUT};

use crate::child::{CHILD, Mode};

/// A disk, and what was seen on it.
pub(crate) struct Disk {
    disk: disk::Disk,
    /// How many lives reopened their journal after a failed sync.
    pub(crate) reopened: Cell<usize>,
}

/// What a process did until its power went.
pub(crate) struct Life {
    /// What it said, line by line.
    pub(crate) lines: Vec<String>,
    /// At which write or sync it ended.
    pub(crate) cut_at: u64,
}

impl Disk {
    pub(crate) fn build() -> Self {
        Self {
            disk: disk::Disk::build(),
            reopened: Cell::new(0),
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
            .envs(self.disk.variables(folder))
            .envs(disk::cut_at(cut_at, seed))
            .stdout(Stdio::piped());
        if let Some(number) = fail_sync {
            command.env("DISK_FAIL_SYNC", number.to_string());
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
