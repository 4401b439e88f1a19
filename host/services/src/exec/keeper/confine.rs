//! The layers that a command's own process puts on before its program takes over: limits, Landlock, the filter of system calls.

use super::super::wire::{Layer, Order};
use super::filter;
use super::spaces::{DEVICES, SYSTEM, Spaces};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io;
use std::path::{Path, PathBuf};

/// What stands of the layers.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// Why Landlock does not; none where it does.
    pub(super) no_landlock: Option<String>,
    /// Why the filter does not; none where it does.
    pub(super) no_filter: Option<String>,
    /// Whether the number of processes is limited by the kernel.
    pub(super) counts: bool,
}

/// Puts on all layers, the filter last.
pub(super) fn confine(order: &Order, spaces: &Spaces) -> io::Result<Layers> {
    let mut layers = Layers { counts: limits(order, spaces)?, ..Layers::default() };
    rustix::thread::set_no_new_privs(true)?;
    layers.no_landlock = match order.without.contains(&Layer::Landlock) {
        true => Some("left out on demand".to_owned()),
        false => landlock(order, spaces).err(),
    };
    layers.no_filter = match order.without.contains(&Layer::Seccomp) {
        true => Some("left out on demand".to_owned()),
        false => filter::apply(spaces.network).err(),
    };
    Ok(layers)
}

/// Limits of each process; tells whether the number of processes is one of them.
fn limits(order: &Order, spaces: &Spaces) -> io::Result<bool> {
    let limits = order.limits;
    let seconds = limits.time_ms.div_ceil(1_000).max(1);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let mut all = vec![
        (Resource::Core, 0),
        (Resource::Nofile, u64::from(limits.handles)),
        (Resource::Fsize, limits.disk),
        // Not the address space: many runtimes reserve far more of it than they use.
        (Resource::Data, limits.memory),
        (Resource::Cpu, seconds.saturating_mul(cores)),
    ];
    // Outside a user namespace the processes of the user's other programs would count as well, and root's never do.
    let counts = spaces.user && !is_root();
    if counts {
        all.push((Resource::Nproc, u64::from(limits.processes)));
    }
    for (resource, limit) in all {
        let most = rustix::process::getrlimit(resource).maximum.map_or(limit, |most| most.min(limit));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(counts)
}

/// Whether the kernel knows this user as its root, whatever its name in a namespace.
fn is_root() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().nth(1).is_none_or(|outer| outer == "0")
}

fn landlock(order: &Order, spaces: &Spaces) -> Result<(), String> {
    let abi = ABI::V6;
    let (all, read) = (AccessFs::from_all(abi), AccessFs::from_read(abi));
    let look = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut rules: Vec<(PathBuf, BitFlags<AccessFs>)> = Vec::new();
    let shown = order.tools.iter().cloned().chain(SYSTEM.iter().map(|name| Path::new("/").join(name)));
    rules.extend(shown.map(|folder| (folder, read)));
    rules.push((PathBuf::from("/etc"), look));
    rules.extend(DEVICES.iter().map(|name| (Path::new("/dev").join(name), AccessFs::ReadFile | AccessFs::WriteFile)));
    rules.push((spaces.ground(order), all));
    rules.push((spaces.scratch(order), all));
    if spaces.files {
        rules.push((PathBuf::from("/dev/shm"), all & !AccessFs::Execute));
        rules.push((PathBuf::from("/dev"), AccessFs::ReadDir.into()));
        // Its own processes' and nobody else's. Nothing is written there: the settings of the kernel are in it too.
        rules.push((PathBuf::from("/proc"), look));
    }
    let restrict = || -> Result<RulesetStatus, landlock::RulesetError> {
        let base = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)?
            .scope(Scope::AbstractUnixSocket)?
            .scope(Scope::Signal)?;
        // In a network of its own it may talk to itself.
        let base = if spaces.network { base } else { base.handle_access(AccessNet::from_all(abi))? };
        let mut made = base.create()?;
        for (path, access) in rules {
            let Ok(handle) = PathFd::new(&path) else { continue };
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(abi) };
            made = made.add_rule(PathBeneath::new(handle, access))?;
        }
        Ok(made.restrict_self()?.ruleset)
    };
    match restrict() {
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has no Landlock".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("Landlock: {error}")),
    }
}
