//! Namespaces, and the file system that a command sees.
//!
//! ```text
//!   /usr /bin /sbin /lib* /opt   those of the machine, to read and run; tools of the operator's beside them
//!   /etc                         a few files that programs look at
//!   /dev /proc                   the harmless devices; its own processes
//!   /workspace                   the ground, to write; caches at their places in it
//!   /tmp                         private, to write, thrown away
//! ```
//!
//! Nothing else of the machine has a name there. The ground has the same path for every command, so that what tools remember in
//! caches is true the next time. Where the kernel gives no mount namespace the ground keeps the path that it has, and Landlock alone
//! keeps the rest away.

use super::super::wire::{Layer, Order};
use rustix::fs::{CWD, Mode, symlink};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Where a command sees the ground.
pub(super) const GROUND: &str = "/workspace";
/// The user that a command is, in its own namespace.
const USER: u32 = 1000;
/// Folders of programs and libraries.
pub(super) const SYSTEM: [&str; 8] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt"];
/// What programs look at in `/etc`.
const SETTINGS: [&str; 22] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "group",
    "host.conf",
    "hosts",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "locale.alias",
    "locale.conf",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "passwd",
    "pki",
    "protocols",
    "services",
    "ssl",
    "timezone",
];
/// Devices that do no harm.
pub(super) const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// The namespaces that are to be had.
#[derive(Debug, Clone, Default)]
pub(super) struct Spaces {
    /// Its own processes.
    pub(super) processes: bool,
    /// Its own network, with nothing in it but itself.
    pub(super) network: bool,
    /// Its own file system: set when the first process is about to make it.
    pub(super) files: bool,
    /// Whether it is another user than the host's.
    pub(super) user: bool,
    /// Why something is missing.
    pub(super) gap: String,
}

impl Spaces {
    /// Enters all namespaces that the kernel gives; the process namespace begins with the next process.
    pub(super) fn enter(order: &Order) -> Self {
        if order.without.contains(&Layer::Namespaces) {
            return Self { gap: "left out on demand".to_owned(), ..Self::default() };
        }
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let inner = UnshareFlags::NEWPID | UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
        match apart(inner | UnshareFlags::NEWUSER) {
            Ok(()) => {
                let mapped = fs::write("/proc/self/setgroups", "deny")
                    .and_then(|()| fs::write("/proc/self/uid_map", format!("{USER} {user} 1")))
                    .and_then(|()| fs::write("/proc/self/gid_map", format!("{USER} {group} 1")));
                let gap = mapped.err().map_or_else(String::new, |error| format!("no user in its namespace: {error}"));
                Self { processes: true, network: true, files: true, user: gap.is_empty(), gap }
            }
            // Without user namespaces the others are for root alone.
            Err(error) => match apart(inner) {
                Ok(()) => Self { processes: true, network: true, files: true, user: false, gap: String::new() },
                Err(_) => Self { gap: format!("the kernel gives no namespaces: {error}"), ..Self::default() },
            },
        }
    }

    /// Makes the file system that the command sees, and goes there. Called by the first process.
    pub(super) fn furnish(&mut self, order: &Order) -> io::Result<()> {
        if self.network {
            loopback();
        }
        if !self.files {
            return Ok(());
        }
        if let Err(error) = apart(UnshareFlags::NEWNS) {
            self.files = false;
            self.gap = format!("the kernel gives no mount namespace: {error}");
            return Ok(());
        }
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        // Any folder will do to put the new root on; this one is nobody's but the command's.
        let root = &order.output;
        mount("tmpfs", root, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=755,size=1m")?;
        for name in SYSTEM {
            system(root, name)?;
        }
        let ground = root.join(relative(Path::new(GROUND)));
        for (from, to) in [(&order.ground, &ground), (&order.scratch, &root.join("tmp"))] {
            fs::create_dir(to)?;
            bind(from, to, false)?;
        }
        for tool in &order.tools {
            show(tool, &root.join(relative(tool)))?;
        }
        for name in SETTINGS {
            let from = Path::new("/etc").join(name);
            if from.exists() {
                show(&from, &root.join("etc").join(name))?;
            }
        }
        devices(root)?;
        let processes = root.join("proc");
        fs::create_dir(&processes)?;
        // Read-only: where the host is root, so is the command for the settings of the kernel in there.
        let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
        if self.processes
            && let Err(error) = mount("proc", &processes, "proc", quiet, None)
        {
            // Then there is none: the machine's would show everybody's processes.
            self.gap = format!("no /proc of its own: {error}");
        }
        for (place, folder) in &order.caches {
            // Its place was made by whoever laid the ground; what a command before this one made of it cannot lead out of here.
            let place = ground.join(place);
            if place.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                bind(folder, &place, false)?;
            }
        }
        pivot(root)
    }

    /// Where the command starts.
    pub(super) fn start(&self, order: &Order) -> PathBuf {
        self.ground(order).join(&order.cwd)
    }

    /// Where the ground is for the command.
    pub(super) fn ground(&self, order: &Order) -> PathBuf {
        if self.files { PathBuf::from(GROUND) } else { order.ground.clone() }
    }

    /// Where its private folder is for the command.
    pub(super) fn scratch(&self, order: &Order) -> PathBuf {
        if self.files { PathBuf::from("/tmp") } else { order.scratch.clone() }
    }
}

fn apart(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: this process has one thread and shares its file descriptors with nobody, so nothing of another can be affected.
    #[expect(unsafe_code, reason = "leaving namespaces is unsafe with several threads, and there is one")]
    Ok(unsafe { unshare_unsafe(flags) }?)
}

/// Shows a folder of programs, or what leads to it.
fn system(root: &Path, name: &str) -> io::Result<()> {
    let from = Path::new("/").join(name);
    let to = root.join(name);
    match from.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => Ok(symlink(fs::read_link(&from)?, &to)?),
        Ok(metadata) if metadata.is_dir() => show(&from, &to),
        _ => Ok(()),
    }
}

/// Shows a file or folder of the machine, to read.
fn show(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        // It lies in a folder that is shown already.
        return Ok(());
    }
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent)?;
    if from.is_dir() {
        fs::create_dir(to)?;
    } else {
        File::create(to)?;
    }
    bind(from, to, true)
}

/// Binds `to` to `from`. Where it is for reading and the kernel does not take that, Landlock still does.
fn bind(from: &Path, to: &Path, is_read_only: bool) -> io::Result<()> {
    match is_read_only {
        true => mount_bind_recursive(from, to)?,
        false => mount_bind(from, to)?,
    }
    let safe = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
    let flags = if is_read_only { safe | MountFlags::RDONLY } else { safe };
    let _ = mount_remount(to, flags, c"");
    Ok(())
}

fn devices(root: &Path) -> io::Result<()> {
    let folder = root.join("dev");
    fs::create_dir(&folder)?;
    for name in DEVICES {
        let to = folder.join(name);
        File::create(&to)?;
        mount_bind(Path::new("/dev").join(name), &to)?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, folder.join(name))?;
    }
    rustix::fs::mkdirat(CWD, folder.join("shm"), Mode::from_raw_mode(0o1777))?;
    mount("tmpfs", folder.join("shm"), "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=1777,size=256m")?;
    Ok(())
}

/// Makes `root` the root, and lets go of the old one.
fn pivot(root: &Path) -> io::Result<()> {
    std::env::set_current_dir(root)?;
    // The old root is put on top of the new one, and taken away from there.
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    // Nothing is written to the root itself any more.
    let _ = mount_remount("/", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY | MountFlags::BIND, c"");
    std::env::set_current_dir("/")
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

/// Brings up the loopback of its own network, so that a command can talk to itself. One that cannot has no network at all.
fn loopback() {
    let Ok(socket) = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None) else {
        return;
    };
    // SAFETY: `ifreq` is plain data for which zeros are valid; the ioctl reads name and flags of it and keeps no pointer.
    #[expect(unsafe_code, reason = "there is no safe interface for the flags of a network device")]
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(1);
        use std::os::fd::AsRawFd;
        let _ = libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request);
    }
}
