//! The room that a stage has: its quota, its share of memory, and its folder for content that does not fit there.

use crate::disk::{private_file, subfolder};
use crate::object::{Objects, Pin};
use cap_std::fs::Dir;
use longhaul_core::stage::FsError;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Written content up to this size stays in memory as long as the stage has some left: most files that an agent writes are
/// small, and many are written more than once or removed again.
pub(crate) const SMALL: u64 = 64 << 10;
/// Memory for written content, of one stage.
const MEMORY: u64 = 8 << 20;

/// What a stage may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageLimits {
    /// Bytes of content that differ from the version: files written, whole, at the size they have.
    pub bytes: u64,
    /// Names that it may have more than its version.
    pub files: u64,
}

/// Counts what a stage uses, and keeps its folder. The folder is made at the first need and removed with the stage.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) objects: Arc<Objects>,
    limits: StageLimits,
    bytes: AtomicU64,
    memory: AtomicU64,
    clock: AtomicU64,
    stages: Arc<Dir>,
    name: String,
    spool: Mutex<Spool>,
    /// Trees of content that its files are part of.
    pins: Mutex<Vec<Pin>>,
}

#[derive(Debug, Default)]
struct Spool {
    dir: Option<Arc<Dir>>,
    next: u64,
}

impl Room {
    pub(crate) fn new(objects: Arc<Objects>, stages: Arc<Dir>, name: String, limits: StageLimits) -> Arc<Self> {
        Arc::new(Self {
            objects,
            limits,
            bytes: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            clock: AtomicU64::new(0),
            stages,
            name,
            spool: Mutex::default(),
            pins: Mutex::default(),
        })
    }

    /// The next logical time.
    pub(crate) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether a stage may have `names` more names than its version.
    pub(crate) fn allows_names(&self, names: i64) -> bool {
        names <= i64::try_from(self.limits.files).unwrap_or(i64::MAX)
    }

    /// Counts a file that grows from `old` to `new` bytes of own content, or shrinks.
    pub(crate) fn charge(&self, old: u64, new: u64) -> Result<(), FsError> {
        if new <= old {
            self.recount(old, new);
            return Ok(());
        }
        let fits = |used: u64| used.checked_add(new - old).filter(|total| *total <= self.limits.bytes);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map(|_| ()).map_err(|_| FsError::Quota)
    }

    /// Counts `new` bytes of own content that take the place of `old` ones, which give theirs back as they go.
    pub(crate) fn charge_before(&self, old: u64, new: u64) -> Result<(), FsError> {
        let fits = |used: u64| {
            let then = used.saturating_sub(old).checked_add(new)?;
            used.checked_add(new).filter(|_| then <= self.limits.bytes)
        };
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map(|_| ()).map_err(|_| FsError::Quota)
    }

    /// Corrects the count where what was charged did not come about; never refused.
    pub(crate) fn recount(&self, old: u64, new: u64) {
        if new <= old {
            self.bytes.fetch_sub(old - new, Ordering::Relaxed);
        } else {
            self.bytes.fetch_add(new - old, Ordering::Relaxed);
        }
    }

    /// Takes or gives back memory for content that goes from `old` to `new` bytes; false where there is not enough.
    pub(crate) fn remember(&self, old: u64, new: u64) -> bool {
        if new <= old {
            self.memory.fetch_sub(old - new, Ordering::Relaxed);
            return true;
        }
        let fits = |used: u64| Some(used + (new - old)).filter(|total| *total <= MEMORY);
        self.memory.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Keeps a tree of content as long as the stage lives.
    pub(crate) fn hold(&self, pin: Pin) {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).push(pin);
    }

    /// What the stage may have.
    pub(crate) fn limits(&self) -> StageLimits {
        self.limits
    }

    /// Makes a file in the stage's folder; gives its number.
    pub(crate) fn spool(&self) -> Result<(u64, File), FsError> {
        let mut spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = match &spool.dir {
            Some(dir) => Arc::clone(dir),
            None => {
                let dir = Arc::new(subfolder(&self.stages, &self.name).map_err(failure)?);
                spool.dir = Some(Arc::clone(&dir));
                dir
            }
        };
        spool.next += 1;
        let file = dir.open_with(spool.next.to_string(), &private_file()).map_err(failure)?;
        Ok((spool.next, file.into_std()))
    }

    /// The folder, and the name of spooled file `number` in it.
    pub(crate) fn spooled(&self, number: u64) -> Option<(Arc<Dir>, String)> {
        let spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner);
        spool.dir.as_ref().map(|dir| (Arc::clone(dir), number.to_string()))
    }

    /// Opens spooled file `number` again.
    pub(crate) fn reopen(&self, number: u64) -> Result<File, FsError> {
        let (dir, name) = self.spooled(number).ok_or(FsError::NotFound)?;
        let mut options = cap_std::fs::OpenOptions::new();
        options.read(true).write(true);
        dir.open_with(name, &options).map(cap_std::fs::File::into_std).map_err(failure)
    }

    /// Removes spooled file `number`, where it is still there.
    pub(crate) fn unspool(&self, number: u64) {
        if let Some((dir, name)) = self.spooled(number) {
            let _ = dir.remove_file(name);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let spool = self.spool.get_mut().unwrap_or_else(PoisonError::into_inner);
        if spool.dir.take().is_some() {
            // What cannot be removed now is removed when the workspace is opened the next time.
            let _ = self.stages.remove_dir_all(&self.name);
        }
    }
}

/// What a guest is told about an error of the machine.
#[expect(clippy::needless_pass_by_value, reason = "it is mapped over results")]
pub(crate) fn failure(error: io::Error) -> FsError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FsError::NoSpace,
        _ => FsError::Io(error.to_string()),
    }
}
