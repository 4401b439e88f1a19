//! A file of a stage: one content, however many names and handles it has.
//!
//! Its content is an object of the store until it is written to; then it is the stage's own, in memory while it is small,
//! else in a file of the stage's folder. Handles ask the file each time, so all of them see the same.

mod taken;

use super::room::{Room, SMALL, failure};
use crate::batch::Batch;
use crate::object::ObjectError;
use crate::tree::FileEntry;
use longhaul_core::digest::Digest;
use longhaul_core::stage::{FsError, Node, NodeKind, StageFile};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A file that was opened, written or linked in a stage.
#[derive(Debug)]
pub(super) struct FileNode {
    pub(super) identity: u64,
    room: Arc<Room>,
    body: RwLock<Body>,
}

/// What a file is at the moment.
#[derive(Debug)]
pub(super) struct Body {
    content: Content,
    executable: bool,
    links: u64,
    changed: u64,
    handles: u64,
    /// The content's file, kept open while there are handles.
    open: Option<Arc<File>>,
}

#[derive(Debug)]
enum Content {
    Object {
        digest: Digest,
        size: u64,
        /// Whether its bytes count as written by the stage.
        written: bool,
    },
    Memory(Vec<u8>),
    Spool {
        number: u64,
        size: u64,
    },
}

impl Content {
    fn size(&self) -> u64 {
        match self {
            Content::Object { size, .. } | Content::Spool { size, .. } => *size,
            Content::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Bytes that count towards the quota.
    fn own(&self) -> u64 {
        match self {
            Content::Object { written: false, .. } => 0,
            own => own.size(),
        }
    }
}

impl FileNode {
    /// A file as the version has it.
    pub(super) fn of_version(identity: u64, entry: FileEntry, room: &Arc<Room>) -> Arc<Self> {
        let content = Content::Object { digest: entry.digest, size: entry.size, written: false };
        Self::with(identity, content, entry.executable, 0, room)
    }

    /// A new, empty file.
    pub(super) fn new(identity: u64, room: &Arc<Room>) -> Arc<Self> {
        Self::with(identity, Content::Memory(Vec::new()), false, room.tick(), room)
    }

    fn with(identity: u64, content: Content, executable: bool, changed: u64, room: &Arc<Room>) -> Arc<Self> {
        let body = Body { content, executable, links: 1, changed, handles: 0, open: None };
        Arc::new(Self { identity, room: Arc::clone(room), body: RwLock::new(body) })
    }

    /// Whether it is as the version has it, so that forgetting it loses nothing.
    pub(super) fn is_pristine(&self) -> bool {
        let body = self.read();
        matches!(body.content, Content::Object { .. }) && body.links == 1 && body.changed == 0
    }

    /// Adds or takes away a name; gives how many it has then.
    pub(super) fn add_links(&self, more: i64) -> u64 {
        let mut body = self.write();
        body.links = body.links.saturating_add_signed(more);
        body.changed = self.room.tick();
        body.links
    }

    pub(super) fn node(&self) -> Node {
        let body = self.read();
        Node {
            kind: NodeKind::File,
            size: body.content.size(),
            identity: self.identity,
            links: body.links,
            changed: body.changed,
        }
    }

    /// Opens a handle.
    pub(super) fn handle(self: &Arc<Self>, writable: bool) -> Arc<Handle> {
        self.write().handles += 1;
        Arc::new(Handle { file: Arc::clone(self), writable })
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Body> {
        self.body.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Body> {
        self.body.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, FsError> {
        let body = self.read();
        if let Content::Memory(bytes) = &body.content {
            let rest = usize::try_from(offset).ok().and_then(|start| bytes.get(start..)).unwrap_or(&[]);
            let length = rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&rest[..length]);
            return Ok(length);
        }
        let file = match &body.open {
            Some(file) => Arc::clone(file),
            None => {
                drop(body);
                self.write().file(&self.room)?
            }
        };
        loop {
            match file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome.map_err(failure),
            }
        }
    }

    fn write_at(&self, body: &mut Body, data: &[u8], offset: u64) -> Result<(), FsError> {
        if data.is_empty() {
            return Ok(());
        }
        let end = offset.checked_add(data.len() as u64).ok_or(FsError::Quota)?;
        let size = body.content.size().max(end);
        if let Content::Spool { size: old, .. } = body.content {
            self.room.charge(old, size)?;
        } else {
            self.make_own(body, size, true)?;
        }
        if let Content::Memory(bytes) = &mut body.content {
            let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
            let target = range.and_then(|(start, end)| bytes.get_mut(start..end)).ok_or(FsError::Quota)?;
            target.copy_from_slice(data);
        } else {
            let written = body.file(&self.room).and_then(|file| file.write_all_at(data, offset).map_err(failure));
            if let Content::Spool { size: old, .. } = &mut body.content {
                match written {
                    Ok(()) => *old = size,
                    Err(error) => {
                        self.room.recount(size, *old);
                        return Err(error);
                    }
                }
            }
        }
        body.changed = self.room.tick();
        Ok(())
    }

    pub(super) fn set_size(&self, size: u64) -> Result<(), FsError> {
        let mut body = self.write();
        self.make_own(&mut body, size, size > 0)?;
        body.changed = self.room.tick();
        Ok(())
    }

    /// Makes the content the stage's own, of `size` bytes: what was there where it is kept, then zeros.
    fn make_own(&self, body: &mut Body, size: u64, keep: bool) -> Result<(), FsError> {
        let before = body.content.own();
        self.room.charge(before, size)?;
        let outcome = self.resize(body, size, keep);
        if outcome.is_err() {
            self.room.recount(size, body.content.own());
        }
        outcome
    }

    fn resize(&self, body: &mut Body, size: u64, keep: bool) -> Result<(), FsError> {
        let held = match &body.content {
            Content::Memory(bytes) => bytes.len() as u64,
            _ => 0,
        };
        let spooled = matches!(body.content, Content::Spool { .. });
        let length = usize::try_from(size).map_err(|_| FsError::Quota)?;
        if size <= SMALL && !(spooled && keep) && self.room.remember(held, size) {
            let mut bytes = match std::mem::replace(&mut body.content, Content::Memory(Vec::new())) {
                Content::Memory(bytes) => bytes,
                Content::Object { digest, size: whole, written } if keep => match self.object(digest, size) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        body.content = Content::Object { digest, size: whole, written };
                        self.room.remember(size, 0);
                        return Err(error);
                    }
                },
                Content::Object { .. } => Vec::new(),
                Content::Spool { number, .. } => {
                    self.room.unspool(number);
                    Vec::new()
                }
            };
            bytes.resize(length, 0);
            body.content = Content::Memory(bytes);
            body.open = None;
            return Ok(());
        }
        if let Content::Spool { size: old, .. } = &body.content {
            if *old != size {
                body.file(&self.room)?.set_len(size).map_err(failure)?;
            }
            if let Content::Spool { size: old, .. } = &mut body.content {
                *old = size;
            }
            return Ok(());
        }
        let (number, file) = self.room.spool()?;
        let filled = self.fill(&body.content, &file, keep).and_then(|()| file.set_len(size).map_err(failure));
        if let Err(error) = filled {
            self.room.unspool(number);
            return Err(error);
        }
        self.room.remember(held, 0);
        body.content = Content::Spool { number, size };
        body.open = Some(Arc::new(file));
        Ok(())
    }

    fn fill(&self, content: &Content, file: &File, keep: bool) -> Result<(), FsError> {
        match content {
            _ if !keep => Ok(()),
            Content::Memory(bytes) => file.write_all_at(bytes, 0).map_err(failure),
            Content::Object { digest, .. } => {
                let source = self.room.objects.open_object(*digest).map_err(lost)?;
                let target = cap_std::fs::File::from_std(file.try_clone().map_err(failure)?);
                if self.room.objects.reflink(&source, &target) {
                    return Ok(());
                }
                io::copy(&mut source.into_std(), &mut target.into_std()).map(|_| ()).map_err(failure)
            }
            Content::Spool { .. } => Ok(()),
        }
    }

    /// The first `size` bytes of an object, or all of it.
    fn object(&self, digest: Digest, size: u64) -> Result<Vec<u8>, FsError> {
        let mut bytes = Vec::new();
        self.room.objects.open_object(digest).map_err(lost)?.take(size).read_to_end(&mut bytes).map_err(failure)?;
        Ok(bytes)
    }

    /// Adds its content to `batch`, through a guard that keeps it as it is until [`FileNode::settle`].
    pub(super) fn add_to(&self, body: &Body, batch: &Batch<'_>) -> Result<FileEntry, ObjectError> {
        let (digest, size) = match &body.content {
            Content::Object { digest, size, .. } => (*digest, *size),
            Content::Memory(bytes) => (batch.add_bytes(bytes)?, bytes.len() as u64),
            Content::Spool { number, .. } => {
                let (dir, name) = self.room.spooled(*number).ok_or_else(|| ObjectError::Io {
                    action: "find a file of a stage",
                    source: io::ErrorKind::NotFound.into(),
                })?;
                batch.adopt(&dir, &name)?
            }
        };
        Ok(FileEntry { digest, size, executable: body.executable })
    }

    /// From now on its content is the object that it became. The next write makes it the stage's own again, so that an
    /// object never changes.
    pub(super) fn settle(&self, body: &mut Body, entry: FileEntry) {
        let content = Content::Object { digest: entry.digest, size: entry.size, written: false };
        self.release(&std::mem::replace(&mut body.content, content));
        body.open = None;
    }

    fn release(&self, content: &Content) {
        let _ = self.room.charge(content.own(), 0);
        match content {
            Content::Object { .. } => {}
            Content::Memory(bytes) => {
                self.room.remember(bytes.len() as u64, 0);
            }
            Content::Spool { number, .. } => self.room.unspool(*number),
        }
    }
}

impl Body {
    /// The open file of content that is on the disk.
    fn file(&mut self, room: &Room) -> Result<Arc<File>, FsError> {
        if let Some(file) = &self.open {
            return Ok(Arc::clone(file));
        }
        let file = match &self.content {
            Content::Object { digest, .. } => room.objects.open_object(*digest).map_err(lost)?.into_std(),
            Content::Spool { number, .. } => room.reopen(*number)?,
            Content::Memory(_) => return Err(FsError::BadDescriptor),
        };
        let file = Arc::new(file);
        if self.handles > 0 {
            self.open = Some(Arc::clone(&file));
        }
        Ok(file)
    }
}

impl Drop for FileNode {
    fn drop(&mut self) {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let content = std::mem::replace(&mut body.content, Content::Memory(Vec::new()));
        self.release(&content);
    }
}

fn lost(error: ObjectError) -> FsError {
    match error {
        ObjectError::Io { source, .. } => failure(source),
        other => FsError::Io(other.to_string()),
    }
}

/// An open file of a stage.
#[derive(Debug)]
pub(super) struct Handle {
    file: Arc<FileNode>,
    writable: bool,
}

impl Handle {
    fn writable(&self) -> Result<RwLockWriteGuard<'_, Body>, FsError> {
        if self.writable { Ok(self.file.write()) } else { Err(FsError::BadDescriptor) }
    }
}

impl StageFile for Handle {
    fn node(&self) -> Node {
        self.file.node()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, FsError> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<(), FsError> {
        let mut body = self.writable()?;
        self.file.write_at(&mut body, data, offset)
    }

    fn append(&self, data: &[u8]) -> Result<(), FsError> {
        let mut body = self.writable()?;
        let end = body.content.size();
        self.file.write_at(&mut body, data, end)
    }

    fn set_size(&self, size: u64) -> Result<(), FsError> {
        drop(self.writable()?);
        self.file.set_size(size)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut body = self.file.write();
        body.handles -= 1;
        if body.handles == 0 {
            body.open = None;
        }
    }
}
