//! The second wall: guests and their file operations run on threads which the kernel confines to the stages.
//!
//! The first wall is the stage itself: a guest's path is never a path of the machine. Should a mistake there let one
//! through, Landlock refuses it: the threads of the guests' runtime may use the stages folder, and read the object store,
//! and nothing else of the file system; they may make no TCP connection either. Landlock binds a thread
//! for ever and is inherited by the threads it starts, so the rest of the host must never be started from them.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a confined thread may touch.
#[derive(Debug, Clone)]
pub struct Enclosure {
    /// Folders it may read and write.
    pub writable: Vec<PathBuf>,
    /// Folders it may read.
    pub readable: Vec<PathBuf>,
}

/// Whether the second wall stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WallStatus {
    /// The kernel enforces it.
    Standing,
    /// The kernel cannot, for this reason.
    Absent(String),
}

/// The wall around the guests' threads.
#[derive(Debug)]
pub(crate) struct Wall {
    enclosure: Enclosure,
    status: WallStatus,
    /// Set when a thread could not be confined although the wall stands: no guest may run any more.
    breached: AtomicBool,
}

impl Wall {
    /// Tries the wall on a thread of its own.
    pub(crate) fn probe(enclosure: Enclosure) -> Arc<Self> {
        let trial = enclosure.clone();
        let tried = std::thread::spawn(move || confine_this_thread(&trial)).join();
        let status = match tried {
            Ok(Ok(())) => WallStatus::Standing,
            Ok(Err(reason)) => WallStatus::Absent(reason),
            Err(_) => WallStatus::Absent("the trial thread failed".to_owned()),
        };
        Arc::new(Self { enclosure, status, breached: AtomicBool::new(false) })
    }

    /// No wall, on demand: to show what it is good for.
    pub(crate) fn none(reason: &str) -> Arc<Self> {
        Arc::new(Self {
            enclosure: Enclosure { writable: Vec::new(), readable: Vec::new() },
            status: WallStatus::Absent(reason.to_owned()),
            breached: AtomicBool::new(false),
        })
    }

    pub(crate) fn status(&self) -> &WallStatus {
        &self.status
    }

    /// To be called on each guest thread as it starts.
    pub(crate) fn enter(&self) {
        if self.status == WallStatus::Standing && confine_this_thread(&self.enclosure).is_err() {
            self.breached.store(true, Ordering::SeqCst);
        }
    }

    /// Whether a thread got by.
    pub(crate) fn is_breached(&self) -> bool {
        self.breached.load(Ordering::SeqCst)
    }
}

/// Confines the calling thread for ever.
fn confine_this_thread(enclosure: &Enclosure) -> Result<(), String> {
    // Rights that only newer kernels know are taken where they exist; file access itself must be enforced.
    let abi = ABI::V5;
    let restrict = || -> Result<RulesetStatus, landlock::RulesetError> {
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .create()?;
        for (folders, access) in
            [(&enclosure.writable, AccessFs::from_all(abi)), (&enclosure.readable, AccessFs::from_read(abi))]
        {
            for folder in folders {
                // A folder that cannot be opened grants nothing: the wall only becomes tighter.
                if let Ok(handle) = PathFd::new(folder) {
                    rules = rules.add_rule(PathBeneath::new(handle, access))?;
                }
            }
        }
        Ok(rules.restrict_self()?.ruleset)
    };
    match restrict() {
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has no Landlock".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("Landlock: {error}")),
    }
}

/// Confines the calling thread, and those it starts, to no file and no network at all.
pub(crate) fn confine_to_nothing() -> Result<(), String> {
    confine_this_thread(&Enclosure { writable: Vec::new(), readable: Vec::new() })
}

/// For tests of the wall: whether this kernel has one. Where the probe says that it has none, that is said aloud past the
/// test program, which keeps to itself what passing tests print.
#[cfg(test)]
pub(crate) fn stands_here(test: &str) -> bool {
    use std::io::Write;
    match Wall::probe(Enclosure { writable: Vec::new(), readable: Vec::new() }).status() {
        WallStatus::Standing => true,
        WallStatus::Absent(reason) => {
            drop(writeln!(std::io::stderr(), "NOT CHECKED: {test}: {reason}"));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_confined_thread_reaches_its_folders_and_nothing_else() {
        if !stands_here("a confined thread reaches its folders and nothing else") {
            return;
        }
        let open = tempfile::tempdir().unwrap();
        let closed = tempfile::tempdir().unwrap();
        std::fs::write(closed.path().join("secret"), "s").unwrap();
        std::fs::write(open.path().join("own"), "o").unwrap();
        let wall = Wall::probe(Enclosure { writable: vec![open.path().to_owned()], readable: vec![] });
        let (own, secret) = (open.path().join("own"), closed.path().join("secret"));
        let planted = open.path().join("link");
        std::os::unix::fs::symlink(&secret, &planted).unwrap();
        std::thread::spawn(move || {
            wall.enter();
            assert!(!wall.is_breached());
            assert_eq!(std::fs::read_to_string(&own).unwrap(), "o");
            std::fs::write(&own, "changed").unwrap();
            for path in [&secret, &planted, Path::new("/etc/passwd"), &own.parent().unwrap().join("../../etc/passwd")] {
                let error = std::fs::read(path).unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{}", path.display());
            }
            assert!(std::fs::write(secret.with_file_name("new"), "").is_err());
            assert!(
                std::net::TcpStream::connect("127.0.0.1:9")
                    .is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied)
            );
        })
        .join()
        .unwrap();
        assert_eq!(std::fs::read_to_string(closed.path().join("secret")).unwrap(), "s");
    }
}
