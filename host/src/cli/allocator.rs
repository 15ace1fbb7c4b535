//! How glibc's allocator is set for a host.
//!
//! Left alone it raises its thresholds as it goes, has a heap for each thread, and
//! keeps what the largest attempts have had. It reads its settings when a program
//! starts: so the host starts itself anew with them, as the same process. With another
//! C library they mean nothing.

use std::env;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// mallopt(3); sizes in bytes.
const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_MMAP_THRESHOLD_", "262144"),
    ("MALLOC_TRIM_THRESHOLD_", "1048576"),
];

/// Starts this program anew with the settings, unless it has some already: these, or
/// the operator's own. To be called before anything has been done. Where it can't be
/// done, the host only needs more memory.
pub(super) fn set() {
    let mut names = env::vars_os().map(|(name, _)| name);
    if !cfg!(target_env = "gnu") || names.any(|name| is_setting(&name)) {
        return;
    }
    let Ok(program) = env::current_exe() else {
        return;
    };
    let mut args = env::args_os();
    let mut anew = Command::new(program);
    if let Some(own_name) = args.next() {
        anew.arg0(own_name);
    }
    // It returns only when it fails, and there is nobody to tell yet.
    let _ = anew.args(args).envs(SETTINGS).exec();
}

fn is_setting(variable: &OsStr) -> bool {
    let name = variable.as_encoded_bytes();
    name.starts_with(b"MALLOC_") || name == b"GLIBC_TUNABLES"
}
