//! The functions of `wasi:filesystem`, served from a stage.
//!
//! Each is: resolve the path, ask the grant, act on the stage, record. Metadata of an open handle that tells nothing new
//! (its flags, its type, `sync`, `advise`) is not recorded.

use super::context::{Asked, Counted, FsContext, Refusal};
use super::handle::{FolderHandle, Handle, OpenFile, Uses};
use super::resolve::{LastLink, Resolved};
use super::stream::{FileInput, FileOutput, Place};
use longhaul_core::grant::FsAccess;
use longhaul_core::path::{MAX_PATH, StagePath};
use longhaul_core::stage::{Create, DirEntry, FsError, Node, NodeKind, OpenMode};
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode,
    HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError as Trappable, FsResult};

/// What the file functions work on: the attempt's file system and its handles.
pub(crate) struct FsView<'a> {
    pub(crate) fs: &'a FsContext,
    pub(crate) table: &'a mut ResourceTable,
}

/// Marks [`FsView`] as what the linker hands to these functions.
pub(crate) struct HasFs;

impl HasData for HasFs {
    type Data<'a> = FsView<'a>;
}

/// A listing that is being read.
struct Listing {
    entries: std::vec::IntoIter<DirEntry>,
    _place: Counted,
}

/// The table holds our own types under the numbers that WASI's handles carry.
fn own(fd: &Resource<Descriptor>) -> Resource<Handle> {
    Resource::new_borrow(fd.rep())
}

impl<'a> FsView<'a> {
    fn handle(&self, fd: &Resource<Descriptor>) -> Result<&Handle, Trappable> {
        Ok(self.table.get(&own(fd))?)
    }

    fn folder(&self, fd: &Resource<Descriptor>) -> Result<&StagePath, Trappable> {
        match self.handle(fd)? {
            Handle::Folder(folder) => Ok(&folder.path),
            Handle::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    fn file(&self, fd: &Resource<Descriptor>) -> Result<&std::sync::Arc<OpenFile>, Trappable> {
        match self.handle(fd)? {
            Handle::File(file) => Ok(file),
            Handle::Folder(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    /// The file of a descriptor that bytes are to go through.
    fn content(&self, fd: &Resource<Descriptor>) -> Result<&std::sync::Arc<OpenFile>, Trappable> {
        match self.handle(fd)? {
            Handle::File(file) => Ok(file),
            Handle::Folder(_) => Err(ErrorCode::IsDirectory.into()),
        }
    }

    /// Demands that a descriptor may be written through; refusals are recorded like any other.
    fn demand_writable(
        &self,
        fd: &Resource<Descriptor>,
        operation: &'static str,
    ) -> Result<&std::sync::Arc<OpenFile>, Trappable> {
        let file = self.content(fd)?;
        if file.uses.write {
            return Ok(file);
        }
        let asked = Asked { operation, detail: "through a handle that is open for reading" };
        self.fs.demand(&asked, &file.path, FsAccess::Write)?;
        Err(self.fs.fail(&asked, file.path.as_str(), &FsError::BadDescriptor).into())
    }

    fn add(&mut self, handle: Handle) -> FsResult<Resource<Descriptor>> {
        let added = self.table.push(handle)?;
        Ok(Resource::new_own(added.rep()))
    }

    /// Demands that a name may be made, changed or removed, and that it is a name.
    fn demand_name(&self, asked: &Asked<'_>, at: &Resolved) -> Result<(), Refusal> {
        if at.path.is_root() {
            return Err(self.fs.fail(asked, "", &FsError::Invalid));
        }
        self.fs.demand(asked, &at.path, FsAccess::Write)
    }

    fn stat_path(&self, fd: &Resource<Descriptor>, flags: PathFlags, path: &str) -> FsResult<Node> {
        let asked = Asked { operation: "stat", detail: "" };
        let last = if flags.contains(PathFlags::SYMLINK_FOLLOW) { LastLink::Follow } else { LastLink::Keep };
        let at = self.fs.resolve(&asked, self.folder(fd)?, path, last)?;
        self.fs.demand_seen(&asked, &at.path, at.node.as_ref())?;
        Ok(self.fs.ended(&asked, &at.path, at.node.ok_or(FsError::NotFound))?)
    }

    fn stat_handle(&self, fd: &Resource<Descriptor>) -> FsResult<Node> {
        let asked = Asked { operation: "stat", detail: "" };
        match self.handle(fd)? {
            Handle::File(file) => {
                file.settle().map_err(Refusal::Audit)?;
                Ok(self.fs.ended(&asked, &file.path, Ok(file.node()))?)
            }
            Handle::Folder(folder) => Ok(self.fs.ended(&asked, &folder.path, self.fs.stage.node(&folder.path))?),
        }
    }

    /// Opens what is there, or makes a file.
    fn open(
        &self,
        base: &StagePath,
        follow: LastLink,
        path: &str,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Handle, Refusal> {
        let uses = Uses { read: flags.contains(DescriptorFlags::READ), write: flags.contains(DescriptorFlags::WRITE) };
        let (create, exclusive) = (open.contains(OpenFlags::CREATE), open.contains(OpenFlags::EXCLUSIVE));
        let truncate = open.contains(OpenFlags::TRUNCATE);
        let detail = describe(uses, open);
        let asked = Asked { operation: "open", detail: &detail };
        #[cfg(test)]
        if let Some(file) = super::breach::open(self.fs, path) {
            return file
                .map(|file| self.open_file(StagePath::root(), uses, file))
                .map_err(|e| self.fs.fail(&asked, path, &e));
        }
        let follow = if create && exclusive { LastLink::Keep } else { follow };
        let at = self.fs.resolve(&asked, base, path, follow)?;
        let fail = |error| Err(self.fs.fail(&asked, at.path.as_str(), &error));
        let wants_folder = at.wants_folder || open.contains(OpenFlags::DIRECTORY);
        let changes = uses.write || truncate || (create && at.node.is_none());
        if changes && at.node.as_ref().is_none_or(|n| n.kind != NodeKind::Folder) {
            self.fs.demand(&asked, &at.path, FsAccess::Write)?;
        }
        if uses.read && at.node.as_ref().is_some_and(|n| n.kind == NodeKind::File) {
            self.fs.demand(&asked, &at.path, FsAccess::Read)?;
        }
        self.fs.demand_seen(&asked, &at.path, at.node.as_ref())?;
        let mode = match at.node.as_ref().map(|n| n.kind) {
            Some(_) if create && exclusive => return fail(FsError::Exists),
            Some(NodeKind::Folder) if uses.write || truncate || create && !wants_folder => {
                return fail(FsError::IsFolder);
            }
            Some(NodeKind::Folder) => {
                let place = match self.fs.handle_place() {
                    Ok(place) => place,
                    Err(error) => return fail(error),
                };
                self.fs.done(&asked, &at.path)?;
                return Ok(Handle::Folder(FolderHandle { path: at.path, _place: Some(place) }));
            }
            Some(_) if wants_folder => return fail(FsError::NotFolder),
            Some(NodeKind::Symlink) => return fail(FsError::Loop),
            Some(NodeKind::File) if changes => OpenMode::Write { create: Create::No, truncate },
            Some(NodeKind::File) => OpenMode::Read,
            None if !create => return fail(FsError::NotFound),
            None if wants_folder => return fail(FsError::Invalid),
            None => OpenMode::Write { create: if exclusive { Create::New } else { Create::IfMissing }, truncate },
        };
        let opened = self.fs.handle_place().and_then(|place| Ok((place, self.fs.stage.open(&at.path, mode)?)));
        let (place, file) = self.fs.ended(&asked, &at.path, opened)?;
        Ok(Handle::File(OpenFile::new(at.path, uses, file, self.fs, place)))
    }

    #[cfg(test)]
    fn open_file(
        &self,
        path: StagePath,
        uses: Uses,
        file: std::sync::Arc<dyn longhaul_core::stage::StageFile>,
    ) -> Handle {
        let place = self.fs.handle_place().expect("a test opens few files");
        Handle::File(OpenFile::new(path, uses, file, self.fs, place))
    }

    /// Demands that everything in a folder may be written at its old and at its new place.
    fn demand_tree(&self, asked: &Asked<'_>, from: &StagePath, to: &StagePath) -> Result<(), Refusal> {
        let mut ahead = vec![(from.clone(), to.clone())];
        while let Some((from, to)) = ahead.pop() {
            self.fs.demand(asked, &from, FsAccess::Write)?;
            self.fs.demand(asked, &to, FsAccess::Write)?;
            let kind = self.fs.stage.node(&from).map(|n| n.kind);
            if kind == Ok(NodeKind::File) && self.fs.grant.check_fs(&to, FsAccess::Read).is_ok() {
                // A new name must not make readable what was not.
                self.fs.demand(asked, &from, FsAccess::Read)?;
            }
            if kind == Ok(NodeKind::Symlink)
                && self.fs.stage.read_link(&from).is_ok_and(|target| leads_out(&to, &target))
            {
                // A relative link means something else at its new place.
                return Err(self.fs.fail(asked, from.as_str(), &FsError::Escape));
            }
            if kind == Ok(NodeKind::Folder) {
                let entries = self.fs.stage.list(&from).map_err(|e| self.fs.fail(asked, from.as_str(), &e))?;
                for entry in entries {
                    match (from.join(&entry.name), to.join(&entry.name)) {
                        (Some(from), Some(to)) => ahead.push((from, to)),
                        _ => return Err(self.fs.fail(asked, from.as_str(), &FsError::NameTooLong)),
                    }
                }
            }
        }
        Ok(())
    }

    fn set_times_refused(&self, path: &StagePath) -> Trappable {
        let asked = Asked { operation: "set-times", detail: "" };
        match self.fs.demand(&asked, path, FsAccess::Write) {
            Err(refusal) => refusal.into(),
            Ok(()) => self.fs.fail(&asked, path.as_str(), &FsError::Unsupported).into(),
        }
    }
}

impl preopens::Host for FsView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let root = self.table.push(Handle::Folder(FolderHandle { path: StagePath::root(), _place: None }))?;
        Ok(vec![(Resource::new_own(root.rep()), "/".to_owned())])
    }
}

impl types::Host for FsView<'_> {
    fn convert_error_code(&mut self, error: Trappable) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        let error = self.table.get(&error)?;
        Ok(error.downcast_ref::<FsError>().map(super::context::code_of))
    }
}

impl HostDescriptor for FsView<'_> {
    async fn advise(&mut self, fd: Resource<Descriptor>, _: u64, _: u64, _: types::Advice) -> FsResult<()> {
        self.file(&fd).map(|_| ())
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.handle(&fd).map(|_| ())
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.handle(&fd).map(|_| ())
    }

    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        let (read, write, mutate) = match self.handle(&fd)? {
            Handle::File(file) => (file.uses.read, file.uses.write, false),
            Handle::Folder(_) => (true, false, self.fs.grant.may_write()),
        };
        let mut flags = DescriptorFlags::empty();
        for (given, flag) in [
            (read, DescriptorFlags::READ),
            (write, DescriptorFlags::WRITE),
            (mutate, DescriptorFlags::MUTATE_DIRECTORY),
        ] {
            if given {
                flags |= flag;
            }
        }
        Ok(flags)
    }

    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        Ok(match self.handle(&fd)? {
            Handle::File(_) => DescriptorType::RegularFile,
            Handle::Folder(_) => DescriptorType::Directory,
        })
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: u64) -> FsResult<()> {
        Ok(self.file(&fd)?.set_size(self.fs, size)?)
    }

    async fn set_times(&mut self, fd: Resource<Descriptor>, _: NewTimestamp, _: NewTimestamp) -> FsResult<()> {
        let path = match self.handle(&fd)? {
            Handle::File(file) => &file.path,
            Handle::Folder(folder) => &folder.path,
        };
        Err(self.set_times_refused(path))
    }

    async fn read(&mut self, fd: Resource<Descriptor>, len: u64, offset: u64) -> FsResult<(Vec<u8>, bool)> {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.fs.max_read);
        let data = self.content(&fd)?.read(len, offset).map_err(Refusal::from)?;
        let end = data.is_empty() && len > 0;
        Ok((data, end))
    }

    async fn write(&mut self, fd: Resource<Descriptor>, buffer: Vec<u8>, offset: u64) -> FsResult<u64> {
        self.demand_writable(&fd, "write")?.write(&buffer, offset).map_err(Refusal::from)?;
        Ok(buffer.len() as u64)
    }

    async fn read_directory(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>> {
        let asked = Asked { operation: "list", detail: "" };
        let path = self.folder(&fd)?.clone();
        self.fs.grant.check_folder(&path).map_err(|denial| self.fs.deny(&asked, &denial, ErrorCode::Access))?;
        let listed = self.fs.stage.list(&path).and_then(|entries| {
            let place = self.fs.listing_place(entries.len())?;
            Ok((entries, place))
        });
        let (mut entries, place) = match listed {
            Ok(listed) => listed,
            Err(error) => return Err(self.fs.fail(&asked, path.as_str(), &error).into()),
        };
        let all = entries.len();
        entries.retain(|entry| {
            let node = Node { kind: entry.kind, size: 0, identity: 0, links: 0, changed: 0 };
            path.join(&entry.name).is_some_and(|path| self.fs.check_seen(&path, Some(&node)).is_ok())
        });
        let detail = match all - entries.len() {
            0 => format!("{all} entries"),
            hidden => format!("{} entries, {hidden} more not granted", entries.len()),
        };
        self.fs.done(&Asked { operation: "list", detail: &detail }, &path)?;
        let listing = self.table.push(Listing { entries: entries.into_iter(), _place: place })?;
        Ok(Resource::new_own(listing.rep()))
    }

    async fn create_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        let asked = Asked { operation: "make-folder", detail: "" };
        // A trailing slash is allowed here, and a link at the end is not followed.
        let at = self.fs.resolve(&asked, self.folder(&fd)?, path.trim_end_matches('/'), LastLink::Keep)?;
        self.demand_name(&asked, &at)?;
        Ok(self.fs.ended(&asked, &at.path, self.fs.stage.create_dir(&at.path))?)
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        Ok(stat_of(&self.stat_handle(&fd)?))
    }

    async fn stat_at(&mut self, fd: Resource<Descriptor>, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        Ok(stat_of(&self.stat_path(&fd, flags, &path)?))
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> FsResult<()> {
        let asked = Asked { operation: "set-times", detail: "" };
        let last = if flags.contains(PathFlags::SYMLINK_FOLLOW) { LastLink::Follow } else { LastLink::Keep };
        let at = self.fs.resolve(&asked, self.folder(&fd)?, &path, last)?;
        Err(self.set_times_refused(&at.path))
    }

    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        _: PathFlags,
        old: String,
        new_fd: Resource<Descriptor>,
        new: String,
    ) -> FsResult<()> {
        let detail = format!("to {new}");
        let asked = Asked { operation: "link", detail: &detail };
        let from = self.fs.resolve(&asked, self.folder(&fd)?, &old, LastLink::Keep)?;
        let to = self.fs.resolve(&asked, self.folder(&new_fd)?, &new, LastLink::Keep)?;
        // Two names of one file: whoever may use one of them can use the content of both.
        self.demand_name(&asked, &to)?;
        self.demand_name(&asked, &from)?;
        self.fs.demand(&asked, &from.path, FsAccess::Read)?;
        Ok(self.fs.ended(&asked, &from.path, self.fs.stage.link(&from.path, &to.path))?)
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let last = if path_flags.contains(PathFlags::SYMLINK_FOLLOW) { LastLink::Follow } else { LastLink::Keep };
        let handle = self.open(self.folder(&fd)?, last, &path, open, flags)?;
        self.add(handle)
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Handle>::new_own(fd.rep()))?;
        Ok(())
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        let asked = Asked { operation: "read-link", detail: "" };
        let at = self.fs.resolve(&asked, self.folder(&fd)?, &path, LastLink::Keep)?;
        self.fs.demand_seen(&asked, &at.path, at.node.as_ref())?;
        Ok(self.fs.ended(&asked, &at.path, self.fs.stage.read_link(&at.path))?)
    }

    async fn remove_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        let asked = Asked { operation: "remove-folder", detail: "" };
        let at = self.fs.resolve(&asked, self.folder(&fd)?, path.trim_end_matches('/'), LastLink::Keep)?;
        self.demand_name(&asked, &at)?;
        Ok(self.fs.ended(&asked, &at.path, self.fs.stage.remove_dir(&at.path))?)
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        old: String,
        new_fd: Resource<Descriptor>,
        new: String,
    ) -> FsResult<()> {
        let detail = format!("to {new}");
        let asked = Asked { operation: "rename", detail: &detail };
        let from = self.fs.resolve(&asked, self.folder(&fd)?, &old, LastLink::Keep)?;
        let to = self.fs.resolve(&asked, self.folder(&new_fd)?, &new, LastLink::Keep)?;
        self.demand_name(&asked, &from)?;
        self.demand_name(&asked, &to)?;
        self.demand_tree(&asked, &from.path, &to.path)?;
        Ok(self.fs.ended(&asked, &from.path, self.fs.stage.rename(&from.path, &to.path))?)
    }

    async fn symlink_at(&mut self, fd: Resource<Descriptor>, target: String, path: String) -> FsResult<()> {
        self.fs.bill.add(target.len());
        let detail = format!("to {target}");
        let asked = Asked { operation: "symlink", detail: &detail };
        let at = self.fs.resolve(&asked, self.folder(&fd)?, &path, LastLink::Keep)?;
        self.demand_name(&asked, &at)?;
        if target.is_empty() || target.contains('\0') {
            return Err(self.fs.fail(&asked, at.path.as_str(), &FsError::Invalid).into());
        }
        if target.len() > MAX_PATH {
            return Err(self.fs.fail(&asked, at.path.as_str(), &FsError::NameTooLong).into());
        }
        // Followed here it would lead nowhere; but the result is put into the user's folder, where others follow it.
        if leads_out(&at.path, &target) {
            return Err(self.fs.fail(&asked, at.path.as_str(), &FsError::Escape).into());
        }
        Ok(self.fs.ended(&asked, &at.path, self.fs.stage.symlink(&target, &at.path))?)
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        let asked = Asked { operation: "remove", detail: "" };
        let at = self.fs.resolve(&asked, self.folder(&fd)?, &path, LastLink::Keep)?;
        self.demand_name(&asked, &at)?;
        Ok(self.fs.ended(&asked, &at.path, self.fs.stage.remove_file(&at.path))?)
    }

    fn read_via_stream(&mut self, fd: Resource<Descriptor>, offset: u64) -> FsResult<Resource<DynInputStream>> {
        let file = self.content(&fd)?.clone();
        let stream: DynInputStream = Box::new(FileInput { file, position: offset, max_read: self.fs.max_read });
        Ok(self.table.push(stream)?)
    }

    fn write_via_stream(&mut self, fd: Resource<Descriptor>, offset: u64) -> FsResult<Resource<DynOutputStream>> {
        let file = self.demand_writable(&fd, "write")?.clone();
        let stream: DynOutputStream = Box::new(FileOutput { file, place: Place::At(offset) });
        Ok(self.table.push(stream)?)
    }

    fn append_via_stream(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        let file = self.demand_writable(&fd, "append")?.clone();
        let stream: DynOutputStream = Box::new(FileOutput { file, place: Place::End });
        Ok(self.table.push(stream)?)
    }

    async fn is_same_object(&mut self, a: Resource<Descriptor>, b: Resource<Descriptor>) -> wasmtime::Result<bool> {
        let identity = |fd: &Resource<Descriptor>| -> wasmtime::Result<Option<u64>> {
            Ok(match self.table.get(&own(fd))? {
                Handle::File(file) => Some(file.node().identity),
                Handle::Folder(folder) => self.fs.stage.node(&folder.path).ok().map(|n| n.identity),
            })
        };
        let (a, b) = (identity(&a)?, identity(&b)?);
        Ok(a.is_some() && a == b)
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        Ok(hash_of(&self.stat_handle(&fd)?))
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        Ok(hash_of(&self.stat_path(&fd, flags, &path)?))
    }
}

impl HostDirectoryEntryStream for FsView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = self.table.get_mut(&Resource::<Listing>::new_borrow(stream.rep()))?;
        Ok(listing.entries.next().map(|entry| DirectoryEntry { type_: type_of(entry.kind), name: entry.name }))
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}

/// How a file was opened, in words.
fn describe(uses: Uses, open: OpenFlags) -> String {
    [
        (uses.read, "read"),
        (uses.write, "write"),
        (open.contains(OpenFlags::CREATE), "create"),
        (open.contains(OpenFlags::EXCLUSIVE), "exclusive"),
        (open.contains(OpenFlags::TRUNCATE), "truncate"),
        (open.contains(OpenFlags::DIRECTORY), "folder"),
    ]
    .iter()
    .filter(|(set, _)| *set)
    .map(|(_, word)| *word)
    .collect::<Vec<_>>()
    .join(" ")
}

/// Whether a link at `path` with this target may lead out of the workspace, by its text alone. `..` counts only at the
/// beginning of the target, where it rises from the link's own folder: behind a name it would rise from wherever that
/// name leads, which may be another link, or become one.
fn leads_out(path: &StagePath, target: &str) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    let mut named = false;
    target.starts_with('/')
        || target.split('/').any(|component| match component {
            "" | "." => false,
            ".." if named || depth == 0 => true,
            ".." => {
                depth -= 1;
                false
            }
            _ => {
                named = true;
                false
            }
        })
}

fn type_of(kind: NodeKind) -> DescriptorType {
    match kind {
        NodeKind::File => DescriptorType::RegularFile,
        NodeKind::Folder => DescriptorType::Directory,
        NodeKind::Symlink => DescriptorType::SymbolicLink,
    }
}

/// Times are logical: the stage's count of changes, in seconds since 1970.
fn stat_of(node: &Node) -> DescriptorStat {
    let time = Some(Datetime { seconds: node.changed, nanoseconds: 0 });
    DescriptorStat {
        type_: type_of(node.kind),
        link_count: node.links,
        size: node.size,
        data_access_timestamp: time,
        data_modification_timestamp: time,
        status_change_timestamp: time,
    }
}

fn hash_of(node: &Node) -> MetadataHashValue {
    MetadataHashValue { lower: node.identity, upper: node.changed.rotate_left(32) ^ node.size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_out_are_told_by_their_text() {
        let at = |text| StagePath::new(text).unwrap();
        for (path, target) in [
            ("l", "/etc"),
            ("l", ".."),
            ("a/l", "../.."),
            ("a/l", "b/../../../x"),
            ("l", "a/.."),
            ("a/l", "../b/../../x"),
        ] {
            assert!(leads_out(&at(path), target), "{path} -> {target}");
        }
        for (path, target) in [("l", "a"), ("a/l", "../b"), ("a/b/l", "../../c/d"), ("a/l", "./../b/./c/")] {
            assert!(!leads_out(&at(path), target), "{path} -> {target}");
        }
    }
}
