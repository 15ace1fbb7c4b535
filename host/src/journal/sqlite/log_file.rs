//! The log that an earlier process, or an earlier connection, left behind.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes rewritten at a time.
const CHUNK: usize = 1024 * 1024;

/// Writes the log's bytes over themselves and syncs them.
///
/// After a failed sync the system may show bytes that never reached the disk
/// and take them for clean, so that no later sync writes them: everything
/// appended behind such a gap would be lost with the power, although it was
/// synced. Bytes written again are written for sure. The log is a few dozen
/// megabytes at most, so this costs little at each start.
pub(super) fn settle(log: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    loop {
        let read = file.read_at(&mut buffer, offset)?;
        if read == 0 {
            return file.sync_all();
        }
        file.write_all_at(&buffer[..read], offset)?;
        offset += read as u64;
    }
}
