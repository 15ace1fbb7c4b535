//! What the host may have gained from the first look at it to the last.

use std::fmt;

/// The host at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Attempts of hostile plugins so far.
    pub(crate) attempts: u64,
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    /// Open files.
    pub(crate) files: usize,
}

/// Memory may grow by a tenth and this much.
const MEMORY: u64 = 16 << 20;
/// Open files may become this many more.
const FILES: usize = 8;

/// Whether the host has kept within the bounds; if not, which it has left.
pub(crate) fn hold(first: &Sample, last: &Sample) -> Result<(), String> {
    let most = first.resident + first.resident / 10 + MEMORY;
    if last.resident > most {
        return Err(format!(
            "the host's memory has left its bound of {:.1} MiB: {first}; {last}",
            mib(most)
        ));
    }
    if last.files > first.files + FILES {
        return Err(format!(
            "the host has more than {FILES} more open files: {first}; {last}"
        ));
    }
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            attempts,
            resident,
            files,
        } = self;
        write!(
            f,
            "{attempts} attempts, {:.1} MiB resident, {files} open files",
            mib(*resident)
        )
    }
}
