//! The stage against a real folder: whatever sequence of operations is made on both, both show the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhaul_core::path::StagePath;
use longhaul_core::stage::{Create, FsError, NodeKind, OpenMode, Stage, StageFile};
use longhaul_workspace::{Options, StageLimits, Workspace, WorkspaceStage};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Op {
    Write { path: String, create: Create, truncate: bool, offset: u64, length: usize, byte: u8 },
    Open { path: String, write: bool },
    HandleWrite { handle: usize, offset: u64, length: usize, byte: u8 },
    HandleAppend { handle: usize, length: usize },
    HandleSize { handle: usize, size: u64 },
    Close { handle: usize },
    CreateDir(String),
    RemoveDir(String),
    RemoveFile(String),
    Rename(String, String),
    Link(String, String),
    Symlink(String),
    Commit,
}

/// What may be there from the beginning.
const START: [&str; 4] = ["a/a", "a/c", "b/b", "b/a/a"];

fn path() -> impl Strategy<Value = String> {
    // Few names, so that operations meet.
    prop_oneof![
        3 => prop::collection::vec(prop::sample::select(vec!["a", "b"]), 1..4).prop_map(|names| names.join("/")),
        5 => prop::sample::select(START.to_vec()).prop_map(str::to_owned),
        3 => prop::sample::select(vec!["a/b", "b/c", "b/a/c", "c"]).prop_map(str::to_owned),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let create = prop::sample::select(vec![Create::No, Create::IfMissing, Create::New]);
    // Around the size at which content goes from memory to the disk, and far below.
    let offset = prop::sample::select(vec![0_u64, 1, 7, 65_530, 65_536, 90_000]);
    let length = prop::sample::select(vec![1_usize, 5, 100, 65_536]);
    prop_oneof![
        4 => (path(), create, any::<bool>(), offset.clone(), length.clone(), any::<u8>()).prop_map(
            |(path, create, truncate, offset, length, byte)| Op::Write { path, create, truncate, offset, length, byte }
        ),
        3 => (path(), any::<bool>()).prop_map(|(path, write)| Op::Open { path, write }),
        2 => (any::<usize>(), offset.clone(), length.clone(), any::<u8>())
            .prop_map(|(handle, offset, length, byte)| Op::HandleWrite { handle, offset, length, byte }),
        1 => (any::<usize>(), length).prop_map(|(handle, length)| Op::HandleAppend { handle, length }),
        1 => (any::<usize>(), offset).prop_map(|(handle, size)| Op::HandleSize { handle, size }),
        1 => any::<usize>().prop_map(|handle| Op::Close { handle }),
        4 => path().prop_map(Op::CreateDir),
        1 => path().prop_map(Op::RemoveDir),
        2 => path().prop_map(Op::RemoveFile),
        4 => (path(), path()).prop_map(|(from, to)| Op::Rename(from, to)),
        4 => (path(), path()).prop_map(|(from, to)| Op::Link(from, to)),
        1 => path().prop_map(Op::Symlink),
        1 => Just(Op::Commit),
    ]
}

fn p(text: &str) -> StagePath {
    StagePath::new(text).unwrap()
}

struct Both {
    stage: Arc<WorkspaceStage>,
    model: tempfile::TempDir,
    handles: Vec<(Arc<dyn StageFile>, File)>,
}

impl Both {
    fn real(&self, path: &str) -> std::path::PathBuf {
        self.model.path().join(path)
    }

    fn open_real(&self, path: &str, mode: OpenMode) -> io::Result<File> {
        let mut options = File::options();
        options.read(true);
        if let OpenMode::Write { create, truncate } = mode {
            options.write(true).truncate(truncate);
            match create {
                Create::No => {}
                Create::IfMissing => {
                    options.create(true);
                }
                Create::New => {
                    options.create_new(true);
                }
            }
        }
        // A link is never followed in a stage, and never a file here.
        match fs::symlink_metadata(self.real(path)) {
            Ok(found) if found.is_symlink() || found.is_dir() => Err(io::ErrorKind::InvalidInput.into()),
            _ => options.open(self.real(path)),
        }
    }

    /// Makes the operation on both; tells whether each did it.
    fn make(&mut self, op: &Op) -> (Result<(), FsError>, io::Result<()>) {
        match op {
            Op::Write { path, create, truncate, offset, length, byte } => {
                let mode = OpenMode::Write { create: *create, truncate: *truncate };
                let data = vec![*byte; *length];
                (
                    self.stage.open(&p(path), mode).and_then(|file| file.write_at(&data, *offset)),
                    self.open_real(path, mode).and_then(|file| file.write_all_at(&data, *offset)),
                )
            }
            Op::Open { path, write } => {
                let mode =
                    if *write { OpenMode::Write { create: Create::No, truncate: false } } else { OpenMode::Read };
                match (self.stage.open(&p(path), mode), self.open_real(path, mode)) {
                    (Ok(one), Ok(other)) => {
                        self.handles.push((one, other));
                        (Ok(()), Ok(()))
                    }
                    (one, other) => (one.map(|_| ()), other.map(|_| ())),
                }
            }
            Op::HandleWrite { handle, offset, length, byte } => {
                let data = vec![*byte; *length];
                self.on_handle(*handle, |one, other| (one.write_at(&data, *offset), other.write_all_at(&data, *offset)))
            }
            Op::HandleAppend { handle, length } => {
                let data = vec![1; *length];
                self.on_handle(*handle, |one, other| {
                    let end = other.metadata().unwrap().len();
                    (one.append(&data), other.write_all_at(&data, end))
                })
            }
            Op::HandleSize { handle, size } => {
                self.on_handle(*handle, |one, other| (one.set_size(*size), other.set_len(*size)))
            }
            Op::Close { handle } => {
                if !self.handles.is_empty() {
                    let index = handle % self.handles.len();
                    self.handles.swap_remove(index);
                }
                (Ok(()), Ok(()))
            }
            Op::CreateDir(path) => (self.stage.create_dir(&p(path)), fs::create_dir(self.real(path))),
            Op::RemoveDir(path) => (self.stage.remove_dir(&p(path)), fs::remove_dir(self.real(path))),
            Op::RemoveFile(path) => (self.stage.remove_file(&p(path)), fs::remove_file(self.real(path))),
            Op::Rename(from, to) => (self.stage.rename(&p(from), &p(to)), fs::rename(self.real(from), self.real(to))),
            Op::Link(from, to) => {
                // Links to links are not offered by a stage.
                let real = match fs::symlink_metadata(self.real(from)) {
                    Ok(found) if found.is_symlink() => Err(io::ErrorKind::InvalidInput.into()),
                    _ => fs::hard_link(self.real(from), self.real(to)),
                };
                (self.stage.link(&p(from), &p(to)), real)
            }
            Op::Symlink(path) => {
                (self.stage.symlink("nowhere", &p(path)), std::os::unix::fs::symlink("nowhere", self.real(path)))
            }
            Op::Commit => (Ok(()), Ok(())),
        }
    }

    fn on_handle(
        &self,
        handle: usize,
        act: impl FnOnce(&dyn StageFile, &File) -> (Result<(), FsError>, io::Result<()>),
    ) -> (Result<(), FsError>, io::Result<()>) {
        match self.handles.get(handle % self.handles.len().max(1)) {
            Some((one, other)) => act(&**one, other),
            None => (Ok(()), Ok(())),
        }
    }

    /// Everything that the stage shows, by path: kind, content, and the first path of the same file.
    fn stage_view(
        &self,
        at: &StagePath,
        found: &mut BTreeMap<String, (String, Vec<u8>)>,
        seen: &mut BTreeMap<u64, String>,
    ) {
        for entry in self.stage.list(at).unwrap() {
            let path = at.join(&entry.name).unwrap();
            let node = self.stage.node(&path).unwrap();
            assert_eq!(node.kind, entry.kind);
            let text = path.to_string();
            let same = seen.entry(node.identity).or_insert_with(|| text.clone()).clone();
            match node.kind {
                NodeKind::Folder => {
                    found.insert(text, ("folder".into(), Vec::new()));
                    self.stage_view(&path, found, seen);
                }
                NodeKind::Symlink => {
                    found.insert(text, ("link".into(), self.stage.read_link(&path).unwrap().into_bytes()));
                }
                NodeKind::File => {
                    let file = self.stage.open(&path, OpenMode::Read).unwrap();
                    found.insert(text, (format!("file {} {same}", node.links), content(&*file)));
                }
            }
        }
    }

    fn real_view(&self, at: &str, found: &mut BTreeMap<String, (String, Vec<u8>)>, seen: &mut BTreeMap<u64, String>) {
        let mut names: Vec<_> =
            fs::read_dir(self.real(at)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        for name in names {
            let path = if at.is_empty() { name } else { format!("{at}/{name}") };
            let metadata = fs::symlink_metadata(self.real(&path)).unwrap();
            if metadata.is_dir() {
                found.insert(path.clone(), ("folder".into(), Vec::new()));
                self.real_view(&path, found, seen);
            } else if metadata.is_symlink() {
                let target = fs::read_link(self.real(&path)).unwrap().into_os_string().into_string().unwrap();
                found.insert(path, ("link".into(), target.into_bytes()));
            } else {
                let same = seen.entry(metadata.ino()).or_insert_with(|| path.clone()).clone();
                let bytes = fs::read(self.real(&path)).unwrap();
                found.insert(path, (format!("file {} {same}", metadata.nlink()), bytes));
            }
        }
    }
}

fn content(file: &dyn StageFile) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.node().size).unwrap() + 1];
    let mut read = 0;
    loop {
        match file.read_at(&mut bytes[read..], read as u64).unwrap() {
            0 => break,
            n => read += n,
        }
    }
    bytes.truncate(read);
    bytes
}

fn open(folder: &Path, state: &Path) -> Workspace {
    let dir = |path| Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    Workspace::open(dir(folder), dir(state), &Options::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_stage_behaves_like_a_folder(
        start in prop::sample::subsequence(START.to_vec(), 2..=4),
        ops in prop::collection::vec(op(), 1..40),
    ) {
        let (folder, state, model) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (n, path) in start.iter().enumerate() {
            for root in [folder.path(), model.path()] {
                let file = root.join(path);
                if fs::create_dir_all(file.parent().unwrap()).is_ok() {
                    let _ = fs::write(file, vec![b'0'; n * 20_000]);
                }
            }
        }
        let workspace = open(folder.path(), state.path());
        let base = workspace.import().unwrap().version;
        let stage = workspace.stage(base, "model", StageLimits { bytes: 1 << 30, files: 1000 }).unwrap();
        let mut head = base;
        let mut both = Both { stage, model, handles: Vec::new() };
        for op in &ops {
            if let Op::Commit = op {
                head = workspace.commit(&both.stage, head).unwrap().version;
            }
            let (one, other) = both.make(op);
            prop_assert_eq!(one.is_ok(), other.is_ok(), "{:?}: {:?} but {:?}", op, one, other);
        }
        for (one, other) in &both.handles {
            let mut real = vec![0; usize::try_from(other.metadata().unwrap().len()).unwrap()];
            other.read_exact_at(&mut real, 0).unwrap();
            prop_assert!(content(&**one) == real, "a handle shows something else");
            prop_assert_eq!(one.node().links, other.metadata().unwrap().nlink());
        }
        let (mut shown, mut real) = (BTreeMap::new(), BTreeMap::new());
        both.stage_view(&StagePath::root(), &mut shown, &mut BTreeMap::new());
        both.real_view("", &mut real, &mut BTreeMap::new());
        prop_assert!(shown == real, "{:?}\n{:?}", shown.keys(), real.keys());

        // The version that a commit makes is the one that an import of the same folder makes.
        let committed = workspace.commit(&both.stage, head).unwrap().version;
        let other_state = tempfile::tempdir().unwrap();
        let imported = open(both.model.path(), other_state.path()).import().unwrap().version;
        prop_assert_eq!(committed, imported);

        // And applying it makes the user's folder the same.
        workspace.apply(base, committed).unwrap();
        prop_assert_eq!(workspace.import().unwrap().version, committed);
    }
}
