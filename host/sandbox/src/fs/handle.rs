//! Open files and folders of a guest.
//!
//! Consecutive reads, or consecutive writes, on one handle are one action: their number, their bytes, and the digest of
//! those bytes in the order they went. The action is recorded when something else follows on the handle, or when the
//! handle is closed.

use super::context::{Asked, Counted, FsContext, Refusal};
use crate::audit::{Audit, AuditError, Deed};
use crate::meter::Bill;
use longhaul_core::digest::Hasher;
use longhaul_core::grant::{Capability, FsAccess};
use longhaul_core::path::StagePath;
use longhaul_core::stage::{FsError, Node, StageFile};
use std::sync::{Arc, Mutex, PoisonError};

/// What a WASI descriptor stands for.
pub(crate) enum Handle {
    /// A folder, by its canonical path.
    Folder(FolderHandle),
    /// A file.
    File(Arc<OpenFile>),
}

/// An open folder.
pub(crate) struct FolderHandle {
    pub(crate) path: StagePath,
    pub(crate) _place: Option<Counted>,
}

/// What an open file may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uses {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// An open file; shared by its descriptor and the streams made from it.
pub(crate) struct OpenFile {
    pub(crate) path: StagePath,
    pub(crate) uses: Uses,
    file: Arc<dyn StageFile>,
    audit: Arc<Audit>,
    bill: Bill,
    tally: Mutex<Option<Tally>>,
    _place: Counted,
}

/// Consecutive reads or writes.
struct Tally {
    operation: &'static str,
    calls: u64,
    bytes: u64,
    hasher: Hasher,
}

impl OpenFile {
    pub(crate) fn new(
        path: StagePath,
        uses: Uses,
        file: Arc<dyn StageFile>,
        fs: &FsContext,
        place: Counted,
    ) -> Arc<Self> {
        let (audit, bill) = (Arc::clone(&fs.audit), fs.bill.clone());
        Arc::new(Self { path, uses, file, audit, bill, tally: Mutex::default(), _place: place })
    }

    pub(crate) fn node(&self) -> Node {
        self.file.node()
    }

    /// Reads at most `len` bytes from `offset`; none at the end.
    pub(crate) fn read(&self, len: usize, offset: u64) -> Result<Vec<u8>, FileError> {
        if !self.uses.read {
            return Err(self.failed("read", FsError::BadDescriptor)?);
        }
        // No larger than what is there, whatever the guest asks for.
        let left = self.file.node().size.saturating_sub(offset);
        let len = usize::try_from(left).map_or(len, |left| len.min(left.max(1)));
        let mut buffer = vec![0; len];
        match self.file.read_at(&mut buffer, offset) {
            Ok(count) => {
                buffer.truncate(count);
                self.add("read", &buffer)?;
                Ok(buffer)
            }
            Err(error) => Err(self.failed("read", error)?),
        }
    }

    /// Writes all of `data` at `offset`.
    pub(crate) fn write(&self, data: &[u8], offset: u64) -> Result<(), FileError> {
        self.put("write", data, |file| file.write_at(data, offset))
    }

    /// Writes all of `data` at the end.
    pub(crate) fn append(&self, data: &[u8]) -> Result<(), FileError> {
        self.put("append", data, |file| file.append(data))
    }

    /// Cuts it, or extends it by zeros.
    pub(crate) fn set_size(&self, fs: &FsContext, size: u64) -> Result<(), Refusal> {
        let detail = format!("to {size} bytes");
        let asked = Asked { operation: "truncate", detail: &detail };
        self.settle()?;
        fs.demand(&asked, &self.path, FsAccess::Write)?;
        let result = if self.uses.write { self.file.set_size(size) } else { Err(FsError::BadDescriptor) };
        fs.ended(&asked, &self.path, result)
    }

    /// Records what was read or written so far.
    pub(crate) fn settle(&self) -> Result<(), AuditError> {
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner).take();
        match tally {
            Some(tally) => self.audit.action(self.deed(tally)),
            None => Ok(()),
        }
    }

    fn put(
        &self,
        operation: &'static str,
        data: &[u8],
        act: impl FnOnce(&dyn StageFile) -> Result<(), FsError>,
    ) -> Result<(), FileError> {
        self.bill.add(data.len());
        // What cannot be recorded does not happen.
        if let Some(failure) = self.audit.failure() {
            return Err(FileError::Audit(failure));
        }
        let result = if self.uses.write { act(self.file.as_ref()) } else { Err(FsError::BadDescriptor) };
        match result {
            Ok(()) => Ok(self.add(operation, data)?),
            Err(error) => Err(self.failed(operation, error)?),
        }
    }

    fn add(&self, operation: &'static str, data: &[u8]) -> Result<(), AuditError> {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        if tally.as_ref().is_some_and(|t| t.operation != operation)
            && let Some(other) = tally.take()
        {
            self.audit.action(self.deed(other))?;
        }
        let tally = tally.get_or_insert_with(|| Tally { operation, calls: 0, bytes: 0, hasher: Hasher::default() });
        tally.calls += 1;
        self.audit.alive();
        tally.bytes += data.len() as u64;
        tally.hasher.update(data);
        Ok(())
    }

    fn failed(&self, operation: &'static str, error: FsError) -> Result<FileError, AuditError> {
        self.settle()?;
        self.audit.action(Deed::new(Capability::Fs, operation, self.path.to_string()).failed(error.to_string()))?;
        Ok(FileError::Fs(error))
    }

    fn deed(&self, tally: Tally) -> Deed {
        Deed {
            calls: tally.calls,
            bytes: tally.bytes,
            digest: Some(tally.hasher.finish()),
            ..Deed::new(Capability::Fs, tally.operation, self.path.to_string())
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        // A failure stays in the audit and ends the attempt.
        drop(self.settle());
    }
}

/// Why reading or writing failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error(transparent)]
    Fs(FsError),
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl From<FileError> for Refusal {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Fs(error) => Refusal::Code(super::context::code_of(&error)),
            FileError::Audit(error) => Refusal::Audit(error),
        }
    }
}
