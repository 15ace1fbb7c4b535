//! seccomp: what administers a system, looks into other processes, or is known as
//! a way into the kernel and is of no use to a host.
//!
//! A list of what is forbidden, unlike the compile child's: a host does much, and
//! a library's next version may do it by another call. These fail with `EPERM`; a
//! call made in another architecture's way ends the process.

use std::collections::BTreeMap;

use libc::{
    SYS_acct, SYS_add_key, SYS_adjtimex, SYS_bpf, SYS_chroot, SYS_clock_adjtime, SYS_clock_settime,
    SYS_clone, SYS_clone3, SYS_delete_module, SYS_fanotify_init, SYS_finit_module, SYS_fsconfig,
    SYS_fsmount, SYS_fsopen, SYS_fspick, SYS_init_module, SYS_io_uring_enter,
    SYS_io_uring_register, SYS_io_uring_setup, SYS_kcmp, SYS_kexec_file_load, SYS_kexec_load,
    SYS_keyctl, SYS_migrate_pages, SYS_mount, SYS_mount_setattr, SYS_move_mount, SYS_move_pages,
    SYS_name_to_handle_at, SYS_open_by_handle_at, SYS_open_tree, SYS_perf_event_open,
    SYS_personality, SYS_pidfd_getfd, SYS_pivot_root, SYS_process_madvise, SYS_process_vm_readv,
    SYS_process_vm_writev, SYS_ptrace, SYS_quotactl, SYS_reboot, SYS_request_key,
    SYS_setdomainname, SYS_sethostname, SYS_setns, SYS_settimeofday, SYS_socket, SYS_swapoff,
    SYS_swapon, SYS_syslog, SYS_umount2, SYS_unshare, SYS_userfaultfd, SYS_vhangup,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::Degree;

/// Forbidden whatever their arguments are.
const NEVER: &[i64] = &[
    SYS_acct,
    SYS_add_key,
    SYS_adjtimex,
    SYS_bpf,
    SYS_chroot,
    SYS_clock_adjtime,
    SYS_clock_settime,
    SYS_delete_module,
    SYS_fanotify_init,
    SYS_finit_module,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fsopen,
    SYS_fspick,
    SYS_init_module,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_uring_setup,
    SYS_kcmp,
    SYS_kexec_file_load,
    SYS_kexec_load,
    SYS_keyctl,
    SYS_migrate_pages,
    SYS_mount,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_move_pages,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_open_tree,
    SYS_perf_event_open,
    SYS_personality,
    SYS_pidfd_getfd,
    SYS_pivot_root,
    SYS_process_madvise,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_ptrace,
    SYS_quotactl,
    SYS_reboot,
    SYS_request_key,
    SYS_setdomainname,
    SYS_sethostname,
    SYS_setns,
    SYS_settimeofday,
    SYS_swapoff,
    SYS_swapon,
    SYS_syslog,
    SYS_umount2,
    SYS_unshare,
    SYS_userfaultfd,
    SYS_vhangup,
];

/// The sockets of a host: HTTP, name resolution, and the C library's question
/// which addresses this machine has.
const SOCKETS: &[i32] = &[
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// The flags of `clone` that make namespaces, in which the kernel lets everybody
/// be root.
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// Forbids them to this thread and to whatever it starts.
pub(super) fn forbid() -> Degree {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Degree::No;
    };
    let programs = [forbidden(arch), missing(arch)];
    for program in programs {
        match program {
            Ok(program) if seccompiler::apply_filter(&program).is_ok() => {}
            _ => return Degree::No,
        }
    }
    Degree::Full
}

fn forbidden(arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        NEVER.iter().map(|&call| (call, Vec::new())).collect();
    let mut with_flag = Vec::new();
    for &flag in NAMESPACES {
        let bit = u64::from(flag.unsigned_abs());
        with_flag.push(SeccompRule::new(vec![compare(
            SeccompCmpOp::MaskedEq(bit),
            bit,
        )?])?);
    }
    rules.insert(SYS_clone, with_flag);
    let others = SOCKETS
        .iter()
        .map(|&family| compare(SeccompCmpOp::Ne, u64::from(family.unsigned_abs())))
        .collect::<Result<_, _>>()?;
    rules.insert(SYS_socket, vec![SeccompRule::new(others)?]);
    program(rules, libc::EPERM, arch)
}

/// `clone3` has its flags in memory, where a filter can't look. The C library goes
/// back to `clone` where it isn't there.
fn missing(arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let rules = BTreeMap::from([(SYS_clone3, Vec::new())]);
    program(rules, libc::ENOSYS, arch)
}

fn program(
    mut rules: BTreeMap<i64, Vec<SeccompRule>>,
    error: i32,
    arch: TargetArch,
) -> Result<BpfProgram, BackendError> {
    add_other_numbers(&mut rules);
    let action = SeccompAction::Errno(error.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()
}

/// The first argument.
fn compare(operator: SeccompCmpOp, number: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(0, SeccompCmpArgLen::Dword, operator, number)
}

/// x86-64 has a second set of numbers for the same calls, as the same architecture
/// (x32): the same with one more bit, and some of their own.
#[cfg(target_arch = "x86_64")]
fn add_other_numbers(rules: &mut BTreeMap<i64, Vec<SeccompRule>>) {
    const X32: i64 = 0x4000_0000;
    /// `ptrace`, `kexec_load`, `move_pages`, `process_vm_readv` and `…_writev`.
    const OWN: [i64; 5] = [521, 528, 533, 539, 540];
    let known: Vec<i64> = rules.keys().copied().collect();
    for call in known {
        rules.insert(call | X32, rules[&call].clone());
    }
    rules.extend(OWN.map(|call| (call | X32, Vec::new())));
}

#[cfg(not(target_arch = "x86_64"))]
fn add_other_numbers(_: &mut BTreeMap<i64, Vec<SeccompRule>>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_can_be_built() {
        let arch = TargetArch::try_from(std::env::consts::ARCH).expect("a known one");
        for program in [forbidden(arch), missing(arch)] {
            // The kernel takes no longer one.
            assert!((1..4096).contains(&program.expect("it can be built").len()));
        }
    }
}
