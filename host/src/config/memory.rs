//! How much memory there is for this process: the machine's, or its cgroup's if
//! that is less.

/// Taken where the system doesn't tell.
const UNKNOWN: u64 = 2 << 30;

/// The memory that the host may plan with, in bytes.
#[must_use]
pub fn available() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let own_group = read("/proc/self/cgroup")
        .as_deref()
        .and_then(cgroup_path)
        .map(|path| format!("/sys/fs/cgroup{path}/memory.max"));
    let groups = [
        own_group.as_deref().unwrap_or_default(),
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let machine = read("/proc/meminfo").as_deref().and_then(total);
    groups
        .into_iter()
        .filter_map(|path| read(path)?.trim().parse().ok())
        .chain(machine)
        .filter(|&bytes| bytes > 0)
        .min()
        .unwrap_or(UNKNOWN)
}

/// `MemTotal` of `/proc/meminfo`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// This process's group in the unified hierarchy.
fn cgroup_path(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let meminfo = "MemFree: 1 kB\nMemTotal:       32780824 kB\n";
        assert_eq!(total(meminfo), Some(32_780_824 * 1024));
        assert_eq!(total("nothing"), None);
        assert_eq!(
            cgroup_path("12:cpu:/a\n0::/user.slice/x\n"),
            Some("/user.slice/x")
        );
    }

    #[test]
    fn there_is_some_memory() {
        assert!(available() > 1 << 20);
    }
}
