//! The filter of system calls: what no command needs, and what an attack on the kernel or on the layers around it begins with.
//!
//! It lists what is refused. A list of what is allowed would break with each new C library, and what makes the difference is
//! here: new namespaces and mounts, other processes' memory, kernel modules, tracing, keys, io_uring.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter, sock_filter,
};
use std::collections::BTreeMap;

/// Calls that are refused whatever their arguments.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_name_to_handle_at,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// New namespaces, asked for with a new process.
const NEW_SPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Pretends input from the terminal that a program was started from.
const TIOCSTI: u64 = 0x5412;
/// The same for a console of the machine.
const TIOCLINUX: u64 = 0x541C;
/// Calls with this bit set belong to another table, which the list does not speak of.
const X32: u32 = 0x4000_0000;

/// Puts the filter on this process and all that it starts. `has_network` says that it has a network of its own.
pub(super) fn apply(has_network: bool) -> Result<(), String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| format!("seccomp: {error}"))?;
    let described = |error: seccompiler::Error| format!("seccomp: {error}");
    // Libraries try `clone3` first, whose arguments no filter sees, and take `clone` where it is not there.
    let newer = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let not_there = u32::try_from(libc::ENOSYS).unwrap_or(38);
    apply_filter(&program(newer, not_there, arch)?).map_err(described)?;
    let refused = rules(has_network).map_err(|error| format!("seccomp: {error}"))?;
    let mut program = program(refused, u32::try_from(libc::EPERM).unwrap_or(1), arch)?;
    if cfg!(target_arch = "x86_64") {
        let mut guarded = other_table();
        guarded.append(&mut program);
        program = guarded;
    }
    apply_filter(&program).map_err(described)
}

fn program(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: u32, arch: TargetArch) -> Result<BpfProgram, String> {
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno), arch)
        .and_then(BpfProgram::try_from)
        .map_err(|error| format!("seccomp: {error}"))
}

fn rules(has_network: bool) -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let argument = |index, operator, value| SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value);
    let mut spaces = Vec::new();
    for bit in (0..32).map(|bit| 1_u64 << bit).filter(|bit| u64::from(NEW_SPACES.cast_unsigned()) & bit != 0) {
        spaces.push(SeccompRule::new(vec![argument(0, SeccompCmpOp::MaskedEq(bit), bit)?])?);
    }
    rules.insert(libc::SYS_clone, spaces);
    let mut terminals = Vec::new();
    for request in [TIOCSTI, TIOCLINUX] {
        terminals.push(SeccompRule::new(vec![argument(1, SeccompCmpOp::Eq, request)?])?);
    }
    rules.insert(libc::SYS_ioctl, terminals);
    // A socket is refused whose family is none of these.
    let mut families = vec![libc::AF_UNIX];
    if has_network {
        families.extend([libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK]);
    }
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        let others: Result<Vec<_>, _> =
            families.iter().map(|family| argument(0, SeccompCmpOp::Ne, u64::from(family.cast_unsigned()))).collect();
        rules.insert(call, vec![SeccompRule::new(others?)?]);
    }
    Ok(rules)
}

/// Refuses calls of the other table: what seccompiler makes knows only one.
fn other_table() -> BpfProgram {
    let step = |code: u32, jt, jf, k| sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k };
    let errno = u32::try_from(libc::EPERM).unwrap_or(1);
    vec![
        // The number of the call is the first word of what a filter is given.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | errno),
    ]
}
