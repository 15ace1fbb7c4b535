//! Resource limits: they hold on every kernel.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Bounds;

/// The stack of the only thread, whatever the host was started with.
const STACK: u64 = 8 << 20;

/// Standard input, output and error.
const DESCRIPTORS: u64 = 3;

pub(super) fn set(bounds: Bounds) -> io::Result<()> {
    let seconds = whole_seconds(bounds).max(1);
    lower(Resource::Core, 0)?;
    lower(Resource::Stack, STACK)?;
    // Counts all of the user's processes, so none can be added. The system
    // excepts root, whom seccomp stops.
    lower(Resource::Nproc, 0)?;
    lower(Resource::Memlock, 0)?;
    lower(Resource::Msgqueue, 0)?;
    lower(Resource::Fsize, bounds.file)?;
    // At the first the kernel says what it was (SIGXCPU), at the second it kills.
    limit(Resource::Cpu, seconds, seconds + 1)?;
    lower(Resource::As, bounds.memory)?;
    lower(Resource::Nofile, DESCRIPTORS)
}

fn whole_seconds(bounds: Bounds) -> u64 {
    bounds.cpu.as_secs() + u64::from(bounds.cpu.subsec_nanos() > 0)
}

/// Sets both limits to `most`, or leaves them where they are lower.
fn lower(resource: Resource, most: u64) -> io::Result<()> {
    limit(resource, most, most)
}

fn limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let now = getrlimit(resource);
    let hard = now.maximum.map_or(hard, |now| now.min(hard));
    let limit = Rlimit {
        current: Some(soft.min(hard)),
        maximum: Some(hard),
    };
    Ok(setrlimit(resource, limit)?)
}
