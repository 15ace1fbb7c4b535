//! What a process has used, as the kernel counts it.

use std::fs;
use std::io;
use std::time::Duration;

/// How much a process has used since its start, and holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// CPU time, user and system, of all its threads.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub resident: u64,
    /// Open files.
    pub files: usize,
}

impl Usage {
    /// Of the process with this id.
    ///
    /// # Errors
    /// When it has ended, or the system doesn't tell.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold spaces; the fields after it don't.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let mut fields = fields.split_whitespace();
        // utime and stime are the fields 14 and 15 of the whole line.
        let mut ticks = |skip: usize| fields.nth(skip).and_then(|text| text.parse::<u64>().ok());
        let ticks = ticks(11).zip(ticks(0)).map(|(user, system)| user + system);
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = line.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let (Some(ticks), Some(resident)) = (ticks, resident) else {
            return Err(io::Error::other(format!("process {pid} is ending")));
        };
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Self {
            cpu: Duration::from_secs_f64(ticks as f64 / per_second as f64),
            resident: resident * 1024,
            files: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_takes_shows() {
        let before = Usage::of(std::process::id()).expect("it runs");
        let memory = vec![1u8; 64 << 20];
        let mut spun = Usage::of(std::process::id()).expect("it runs");
        while spun.cpu == before.cpu {
            spun = Usage::of(std::process::id()).expect("it runs");
        }
        assert!(spun.resident >= before.resident + (32 << 20), "{spun:?}");
        assert!(spun.files > 0 && memory.len() == 64 << 20);
    }
}
