//! What the file functions of one attempt share: its stage, its grant, its audit, its limits.

use super::resolve::{Astray, LastLink, Resolved, resolve};
use crate::audit::{Audit, AuditError, Deed};
use crate::meter::Bill;
use longhaul_core::grant::{Capability, Denial, FsAccess, Grant};
use longhaul_core::path::StagePath;
use longhaul_core::stage::{FsError, Node, NodeKind, Stage};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime_wasi::p2;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// The most entries that the open listings of one attempt hold in the host's memory.
const MAX_LISTED: u64 = 250_000;

/// The file system of one attempt.
pub(crate) struct FsContext {
    pub(crate) stage: Arc<dyn Stage>,
    pub(crate) grant: Grant,
    pub(crate) audit: Arc<Audit>,
    pub(crate) bill: Bill,
    /// The most bytes that one call reads.
    pub(crate) max_read: usize,
    max_handles: u64,
    handles: Arc<AtomicU64>,
    listed: Arc<AtomicU64>,
}

/// Why a file function does not do what it was asked.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The guest gets an error code.
    Code(ErrorCode),
    /// The attempt ends: its record cannot be kept.
    Audit(AuditError),
}

impl From<AuditError> for Refusal {
    fn from(error: AuditError) -> Self {
        Refusal::Audit(error)
    }
}

impl From<Refusal> for p2::FsError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Code(code) => code.into(),
            Refusal::Audit(error) => p2::FsError::trap(error),
        }
    }
}

/// What was asked of the stage, for the record.
pub(crate) struct Asked<'a> {
    pub(crate) operation: &'static str,
    pub(crate) detail: &'a str,
}

/// Counts something for as long as it lives.
pub(crate) struct Counted {
    counter: Arc<AtomicU64>,
    amount: u64,
}

impl Counted {
    fn new(counter: &Arc<AtomicU64>, amount: u64, max: u64) -> Result<Self, FsError> {
        let before = counter.fetch_add(amount, Ordering::Relaxed);
        let counted = Self { counter: Arc::clone(counter), amount };
        if before.saturating_add(amount) > max { Err(FsError::Quota) } else { Ok(counted) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counter.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

impl FsContext {
    pub(crate) fn new(
        stage: Arc<dyn Stage>,
        grant: Grant,
        audit: Arc<Audit>,
        bill: Bill,
        max_read: usize,
        max_handles: u32,
    ) -> Self {
        Self {
            stage,
            grant,
            audit,
            bill,
            max_read,
            max_handles: u64::from(max_handles),
            handles: Arc::default(),
            listed: Arc::default(),
        }
    }

    /// A place for one more open handle.
    pub(crate) fn handle_place(&self) -> Result<Counted, FsError> {
        Counted::new(&self.handles, 1, self.max_handles)
    }

    /// A place for the entries of one more listing.
    pub(crate) fn listing_place(&self, entries: usize) -> Result<Counted, FsError> {
        Counted::new(&self.listed, entries as u64, MAX_LISTED)
    }

    /// Resolves a path, recording a walk that goes astray. Nothing is told about places that the guest may not see.
    pub(crate) fn resolve(
        &self,
        asked: &Asked<'_>,
        base: &StagePath,
        text: &str,
        last: LastLink,
    ) -> Result<Resolved, Refusal> {
        self.bill.add(text.len());
        let may_pass = |path: &StagePath, node: &Node| self.check_passed(path, node);
        resolve(self.stage.as_ref(), base, text, last, may_pass).map_err(|astray| match astray {
            Astray::Hidden(denial) => self.deny(asked, &denial, ErrorCode::Access),
            Astray::Failed { error: FsError::Escape, .. } => {
                let denial = Denial {
                    capability: Capability::Fs,
                    resource: text.to_owned(),
                    grant: String::new(),
                    reason: "the path leads out of the workspace".to_owned(),
                };
                self.deny(asked, &denial, ErrorCode::NotPermitted)
            }
            Astray::Failed { at, error } => match self.check_seen(&at, None) {
                Err(denial) => self.deny(asked, &denial, ErrorCode::Access),
                Ok(()) => self.fail(asked, at.as_str(), &error),
            },
        })
    }

    /// Demands that the grant covers an access.
    pub(crate) fn demand(&self, asked: &Asked<'_>, path: &StagePath, access: FsAccess) -> Result<(), Refusal> {
        self.grant.check_fs(path, access).map_err(|denial| self.deny(asked, &denial, ErrorCode::Access))
    }

    /// Demands that the guest may know what `path` is.
    pub(crate) fn demand_seen(&self, asked: &Asked<'_>, path: &StagePath, node: Option<&Node>) -> Result<(), Refusal> {
        self.check_seen(path, node).map_err(|denial| self.deny(asked, &denial, ErrorCode::Access))
    }

    /// Whether the guest may know what `path` is: a folder on the way to something granted, or something that it may
    /// read or write.
    pub(crate) fn check_seen(&self, path: &StagePath, node: Option<&Node>) -> Result<(), Denial> {
        let by_content = match self.grant.check_fs(path, FsAccess::Read) {
            Ok(()) => return Ok(()),
            Err(denial) => denial,
        };
        if self.grant.check_fs(path, FsAccess::Write).is_ok() {
            return Ok(());
        }
        match node {
            Some(node) if node.kind != NodeKind::Folder => Err(by_content),
            _ => self.grant.check_folder(path),
        }
    }

    /// Whether the guest may know that `path` is there, on its way to somewhere else: beside what it may see, folders on the
    /// way to something that it may write blindly.
    fn check_passed(&self, path: &StagePath, node: &Node) -> Result<(), Denial> {
        match self.check_seen(path, Some(node)) {
            Err(_) if node.kind == NodeKind::Folder => self.grant.check_way(path),
            checked => checked,
        }
    }

    /// Records a refusal by the grant.
    pub(crate) fn deny(&self, asked: &Asked<'_>, denial: &Denial, code: ErrorCode) -> Refusal {
        let deed =
            Deed::new(Capability::Fs, asked.operation, denial.resource.clone()).detail(asked.detail).denied(denial);
        self.audit.action(deed).map_or_else(Refusal::Audit, |()| Refusal::Code(code))
    }

    /// Records a failure.
    pub(crate) fn fail(&self, asked: &Asked<'_>, path: &str, error: &FsError) -> Refusal {
        let deed =
            Deed::new(Capability::Fs, asked.operation, shown(path)).detail(asked.detail).failed(error.to_string());
        self.audit.action(deed).map_or_else(Refusal::Audit, |()| Refusal::Code(code_of(error)))
    }

    /// Records a success.
    pub(crate) fn done(&self, asked: &Asked<'_>, path: &StagePath) -> Result<(), Refusal> {
        let deed = Deed::new(Capability::Fs, asked.operation, path.to_string()).detail(asked.detail);
        Ok(self.audit.action(deed)?)
    }

    /// Records how an operation of the stage ended.
    pub(crate) fn ended<T>(
        &self,
        asked: &Asked<'_>,
        path: &StagePath,
        result: Result<T, FsError>,
    ) -> Result<T, Refusal> {
        match result {
            Ok(value) => {
                self.done(asked, path)?;
                Ok(value)
            }
            Err(error) => Err(self.fail(asked, path.as_str(), &error)),
        }
    }
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

/// WASI's word for an error of the stage.
pub(crate) fn code_of(error: &FsError) -> ErrorCode {
    match error {
        FsError::NotFound => ErrorCode::NoEntry,
        FsError::Exists => ErrorCode::Exist,
        FsError::NotFolder => ErrorCode::NotDirectory,
        FsError::IsFolder => ErrorCode::IsDirectory,
        FsError::NotEmpty => ErrorCode::NotEmpty,
        FsError::Invalid => ErrorCode::Invalid,
        FsError::Escape => ErrorCode::NotPermitted,
        FsError::Denied => ErrorCode::Access,
        FsError::Loop => ErrorCode::Loop,
        FsError::NameTooLong => ErrorCode::NameTooLong,
        FsError::BadDescriptor => ErrorCode::BadDescriptor,
        FsError::Quota => ErrorCode::Quota,
        FsError::NoSpace => ErrorCode::InsufficientSpace,
        FsError::Unsupported => ErrorCode::Unsupported,
        FsError::Io(_) => ErrorCode::Io,
    }
}
