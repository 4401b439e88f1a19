//! Probes: a command's own process tries what the layers are to prevent, right before its program takes over.
//!
//! A mechanism that was put on without an error counts only where the attempt to get past it fails.

use super::super::wire::Order;
use super::confine::Layers;
use super::spaces::Spaces;
use longhaul_core::commands::{Dimension, Isolation};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::net::{AddressFamily, SocketType, connect, socket};
use rustix::process::{Pid, Resource, getrlimit, test_kill_process};
use std::net::{Ipv4Addr, SocketAddrV4};

/// What was reached in each dimension.
pub(super) fn probe(order: &Order, spaces: &Spaces, layers: &Layers) -> Vec<Isolation> {
    Dimension::ALL
        .into_iter()
        .map(|dimension| {
            let (mechanisms, gap) = match dimension {
                Dimension::Files => files(order, spaces, layers),
                Dimension::Network => network(spaces, layers),
                Dimension::Processes => processes(spaces, layers),
                Dimension::SystemCalls => system_calls(layers),
                Dimension::Memory => (limited(Resource::Data, "rlimit", "watch"), String::new()),
                Dimension::Cpu => (limited(Resource::Cpu, "rlimit", "timeout"), String::new()),
                Dimension::Count => {
                    let kernel = layers.counts.then_some("rlimit");
                    (kernel.into_iter().chain(["watch"]).map(str::to_owned).collect(), String::new())
                }
            };
            Isolation { dimension, mechanisms, gap }
        })
        .collect()
}

type Found = (Vec<String>, String);

fn named<const N: usize>(all: [(bool, &str); N]) -> Vec<String> {
    all.into_iter().filter(|(stands, _)| *stands).map(|(_, name)| name.to_owned()).collect()
}

fn files(order: &Order, spaces: &Spaces, layers: &Layers) -> Found {
    let mechanisms = named([(spaces.files, "mount-namespace"), (layers.no_landlock.is_none(), "landlock")]);
    // A folder of the host's own, right beside the ground, and the root folder, which nobody but the system writes to.
    let opened = openat(CWD, &order.output, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).is_ok();
    let written = openat(CWD, "/longhaul-probe", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).is_ok();
    // Opened for writing and not written to: whoever may do that can have the kernel run a program.
    let settings = openat(CWD, "/proc/sys/kernel/core_pattern", OFlags::WRONLY, Mode::empty()).is_ok();
    let gap = match (opened, written, settings) {
        (true, _, _) => "a folder of the host can be opened".to_owned(),
        (_, true, _) => "the root folder can be written to".to_owned(),
        (_, _, true) => "the settings of the kernel can be written to".to_owned(),
        _ if mechanisms.is_empty() => layers.no_landlock.clone().unwrap_or_default(),
        _ => String::new(),
    };
    (mechanisms, gap)
}

fn network(spaces: &Spaces, layers: &Layers) -> Found {
    let filtered = layers.no_filter.is_none() && !spaces.network;
    let mechanisms = named([(spaces.network, "network-namespace"), (filtered, "seccomp")]);
    // An address that is reserved for documentation: nothing is sent anywhere, but a route to it must not be there.
    let address = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9);
    let reached = socket(AddressFamily::INET, SocketType::DGRAM, None).and_then(|socket| connect(&socket, &address));
    let gap = match reached {
        Ok(()) => "there is a way to other machines".to_owned(),
        Err(_) if mechanisms.is_empty() => spaces.gap.clone(),
        Err(_) => String::new(),
    };
    (mechanisms, gap)
}

fn processes(spaces: &Spaces, layers: &Layers) -> Found {
    // Without a namespace its keeper is the reaper of all that it leaves, which a command cannot get away from.
    let mechanisms = named([
        (spaces.processes, "process-namespace"),
        (!spaces.processes, "reaper"),
        (layers.no_landlock.is_none(), "landlock"),
    ]);
    // In a namespace of its own the parent is number 1, or not there.
    let seen = rustix::process::getppid().is_some_and(|parent| parent != Pid::INIT);
    let gap = match spaces.processes {
        true if seen => "its parent is a process of the machine".to_owned(),
        false
            if layers.no_landlock.is_some()
                && rustix::process::getppid().is_some_and(|p| test_kill_process(p).is_ok()) =>
        {
            "processes of the machine can be sent signals".to_owned()
        }
        _ => String::new(),
    };
    (mechanisms, gap)
}

fn system_calls(layers: &Layers) -> Found {
    let mechanisms = named([(layers.no_filter.is_none(), "seccomp"), (true, "no-new-privs")]);
    // Harmless where it is let through: this name is the sandbox's own, or not this user's to change.
    let refused = rustix::system::sethostname(b"probe").is_err();
    let gap = match (&layers.no_filter, refused) {
        (Some(reason), _) => reason.clone(),
        (None, false) => "a call that is refused was let through".to_owned(),
        (None, true) => String::new(),
    };
    (mechanisms, gap)
}

fn limited(resource: Resource, kernel: &str, own: &str) -> Vec<String> {
    let is_set = getrlimit(resource).maximum.is_some();
    is_set.then_some(kernel).into_iter().chain([own]).map(str::to_owned).collect()
}
