//! seccomp: the system calls of compiling, and no others.
//!
//! Reading standard input, writing the two outputs, memory that isn't executable,
//! and what the runtime needs to end. A call that isn't on the list fails with
//! `EPERM`; one made in another architecture's way ends the process.

use std::collections::BTreeMap;

use libc::{
    SYS_brk, SYS_clock_gettime, SYS_close, SYS_exit, SYS_exit_group, SYS_futex, SYS_getpid,
    SYS_getrandom, SYS_gettid, SYS_madvise, SYS_mmap, SYS_mprotect, SYS_mremap, SYS_munmap,
    SYS_read, SYS_restart_syscall, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
    SYS_sched_getaffinity, SYS_sched_yield, SYS_sigaltstack, SYS_tgkill, SYS_write, SYS_writev,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::Degree;

/// Allowed whatever their arguments are: they reach nothing outside.
const FREE: &[i64] = &[
    SYS_brk,
    SYS_clock_gettime,
    SYS_close,
    SYS_exit,
    SYS_exit_group,
    SYS_futex,
    SYS_getpid,
    SYS_getrandom,
    SYS_gettid,
    SYS_madvise,
    SYS_mremap,
    SYS_munmap,
    SYS_restart_syscall,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sched_getaffinity,
    SYS_sched_yield,
    SYS_sigaltstack,
];

/// Forbids all others to this thread and to whatever it starts.
pub(super) fn forbid() -> Degree {
    match TargetArch::try_from(std::env::consts::ARCH).and_then(filter) {
        Ok(program) if seccompiler::apply_filter(&program).is_ok() => Degree::Full,
        _ => Degree::No,
    }
}

fn filter(arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        FREE.iter().map(|&call| (call, Vec::new())).collect();
    rules.insert(SYS_read, vec![rule(vec![is(0, 0)?])?]);
    for call in [SYS_write, SYS_writev] {
        rules.insert(call, vec![rule(vec![is(0, 1)?])?, rule(vec![is(0, 2)?])?]);
    }
    // Memory of its own (no file), which is never executable.
    let no_file = u64::from(u32::MAX);
    rules.insert(
        SYS_mmap,
        vec![rule(vec![not_executable()?, is(4, no_file)?])?],
    );
    rules.insert(SYS_mprotect, vec![rule(vec![not_executable()?])?]);
    // To abort means to send oneself a signal.
    let own = u64::from(std::process::id());
    rules.insert(SYS_tgkill, vec![rule(vec![is(0, own)?])?]);
    SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        arch,
    )?
    .try_into()
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}

/// The argument at this place is this number of 32 bits.
fn is(argument: u8, number: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, number)
}

/// `mmap` and `mprotect` have the protection in the same place.
fn not_executable() -> Result<SeccompCondition, BackendError> {
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    SeccompCondition::new(
        2,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(executable),
        0,
    )
}
