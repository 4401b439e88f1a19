//! Reading the user's folder into a version.
//!
//! One thread walks the folder and asks the `index` about each file; those that are new or changed are then
//! read, by two threads where there are many. Links are kept as links, never followed. What cannot be part of a version is
//! left out with a note ([`Skipped`]), so that one odd file does not keep anybody from working.

use crate::batch::Batch;
use crate::index::{Index, Stamp};
use crate::object::{ObjectError, Objects};
use crate::rules::{IGNORE_FILE, Rules, is_reserved};
use crate::tree::{Entries, Entry, FileEntry, Folder, MAX_DEPTH, VersionId};
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use longhaul_core::digest::Digest;
use longhaul_core::path::{MAX_PATH, StagePath};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads that read files, and how many files make a second one worth its start.
const READERS: usize = 2;
const MANY: usize = 64;
/// A file with ignore rules is read up to this size.
const MAX_RULES: u64 = 1 << 20;

/// Why the user's folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A pattern that is none.
    #[error("`{pattern}` is not an ignore pattern ({reason}); write it as in a `.gitignore` file")]
    Pattern {
        /// What was written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder cannot be listed.
    #[error("cannot list the folder `{path}` of the workspace; make it readable or add it to the ignored paths")]
    List {
        /// The folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The content cannot be kept.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The index cannot be written.
    #[error("cannot write the index of files in the state folder; check its permissions and the space on its disk")]
    Index(#[source] io::Error),
}

/// What an import gave.
#[derive(Debug)]
pub struct Imported {
    /// The version that the folder is now.
    pub version: VersionId,
    /// What was seen.
    pub report: ImportReport,
}

/// What an import saw.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// Files of the version.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Files that had to be read; the others had not changed since the last import.
    pub read: u64,
    /// What was left out, rules aside, sorted by path.
    pub skipped: Vec<Skipped>,
}

/// Something that is not part of the version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Where it is; characters that are no UTF-8 are shown as `�`.
    pub path: String,
    /// Why it was left out.
    pub reason: &'static str,
}

/// What the walk found under a name.
enum Found {
    Folder(BTreeMap<Box<str>, Found>),
    File(usize),
    Symlink(Arc<str>),
}

/// A file that the walk found.
struct Seen {
    path: StagePath,
    stamp: Stamp,
    executable: bool,
    /// The digest and size of its content, once they are known.
    content: Option<(Digest, u64)>,
}

struct Walk<'a> {
    index: &'a Index,
    objects: &'a Objects,
    files: Vec<Seen>,
    skipped: Vec<Skipped>,
}

/// Reads `root` into the store. Gives the root of the version.
pub(crate) fn import(root: &Dir, objects: &Objects, rules: &Rules) -> Result<(Arc<Folder>, ImportReport), ImportError> {
    let now = objects.now()?;
    let old = Index::load(objects.dir());
    let mut walk = Walk { index: &old, objects, files: Vec::new(), skipped: Vec::new() };
    let list = |source| ImportError::List { path: ".".into(), source };
    let tree = walk.folder(&root.try_clone().map_err(list)?, &StagePath::root(), 0, rules)?;
    let Walk { mut files, mut skipped, .. } = walk;

    let batch = objects.batch();
    let read = read_contents(root, &batch, &mut files, &mut skipped)?;
    let mut folders = Vec::new();
    let version = build(tree, &files, &mut folders);
    for folder in &folders {
        batch.add_folder(folder)?;
    }
    batch.publish()?;

    let mut fresh = Index::default();
    let mut report = ImportReport { read, ..ImportReport::default() };
    for file in &files {
        if let Some((digest, size)) = file.content {
            report.files += 1;
            report.bytes += size;
            fresh.remember(file.path.as_str(), file.stamp, digest, &now);
        }
    }
    if !fresh.same(&old) {
        fresh.save(objects.dir()).map_err(ImportError::Index)?;
    }
    skipped.sort();
    report.skipped = skipped;
    Ok((version, report))
}

impl Walk<'_> {
    fn skip(&mut self, path: impl Into<String>, reason: &'static str) {
        self.skipped.push(Skipped { path: path.into(), reason });
    }

    fn folder(
        &mut self,
        dir: &Dir,
        at: &StagePath,
        depth: usize,
        rules: &Rules,
    ) -> Result<BTreeMap<Box<str>, Found>, ImportError> {
        let list = |source| ImportError::List { path: at.to_string(), source };
        let own = read_rules(dir).map(|text| rules.within(at.as_str(), &text));
        let rules = own.as_ref().unwrap_or(rules);
        let mut found = BTreeMap::new();
        for entry in dir.entries().map_err(list)? {
            let entry = entry.map_err(list)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                self.skip(below(at, &name.to_string_lossy()), "its name is not UTF-8");
                continue;
            };
            if is_reserved(name) {
                continue;
            }
            let kind = entry.file_type().map_err(list)?;
            let Some(path) = at.join(name) else {
                self.skip(below(at, name), "its path is too long");
                continue;
            };
            if rules.ignores(path.as_str(), kind.is_dir()) {
                continue;
            }
            let seen = if kind.is_dir() {
                if depth + 1 >= MAX_DEPTH {
                    self.skip(path, "it lies too deep");
                    continue;
                }
                match dir.open_dir_nofollow(name) {
                    Ok(inner) => Found::Folder(self.folder(&inner, &path, depth + 1, rules)?),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(source) => return Err(ImportError::List { path: path.to_string(), source }),
                }
            } else if kind.is_symlink() {
                match dir.read_link_contents(name).ok().and_then(|target| target.into_os_string().into_string().ok()) {
                    Some(target) if target.len() <= MAX_PATH => Found::Symlink(target.into()),
                    _ => {
                        self.skip(path, "its target is not UTF-8");
                        continue;
                    }
                }
            } else if kind.is_file() {
                let Ok(metadata) = entry.metadata() else { continue };
                let stamp = Stamp::of(&metadata);
                // What was collected meanwhile has to be read again.
                let known = self.index.content(path.as_str(), &stamp);
                let content = known
                    .filter(|digest| self.objects.contains(*digest).unwrap_or(false))
                    .map(|digest| (digest, stamp.size()));
                self.files.push(Seen { path, stamp, executable: is_executable(&metadata), content });
                Found::File(self.files.len() - 1)
            } else {
                self.skip(path, "it is neither file, folder nor link");
                continue;
            };
            found.insert(name.into(), seen);
        }
        Ok(found)
    }
}

/// Reads the files whose content is not known, and tells how many they were.
fn read_contents(
    root: &Dir,
    batch: &Batch<'_>,
    files: &mut [Seen],
    skipped: &mut Vec<Skipped>,
) -> Result<u64, ImportError> {
    let unknown: Vec<&mut Seen> = files.iter_mut().filter(|file| file.content.is_none()).collect();
    let total = unknown.len();
    let readers = if total < MANY { 1 } else { READERS };
    // Each reader takes files in turn, so that one big file does not hold up a fixed half of the others.
    let queue: Vec<std::sync::Mutex<&mut Seen>> = unknown.into_iter().map(std::sync::Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<Skipped>, ObjectError> {
        let mut skipped = Vec::new();
        while let Some(file) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match open_plain(root, file.path.as_str()) {
                Ok(mut opened) => file.content = Some(batch.add_file(&mut opened)?),
                // It went away during the walk.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => skipped.push(Skipped { path: file.path.to_string(), reason: "it cannot be read" }),
            }
        }
        Ok(skipped)
    };
    let notes = std::thread::scope(|scope| {
        let others: Vec<_> = (1..readers).map(|_| scope.spawn(work)).collect();
        let mut notes = vec![work()];
        notes.extend(others.into_iter().filter_map(|thread| thread.join().ok()));
        notes
    });
    for note in notes {
        skipped.extend(note?);
    }
    Ok(total as u64)
}

/// The folders of a version, from the leaves up; each is added to `folders`.
fn build(found: BTreeMap<Box<str>, Found>, files: &[Seen], folders: &mut Vec<Arc<Folder>>) -> Arc<Folder> {
    let mut entries = Entries::new();
    for (name, found) in found {
        let entry = match found {
            Found::Folder(inner) => Entry::Folder(build(inner, files, folders)),
            Found::Symlink(target) => Entry::Symlink(target),
            Found::File(index) => match files.get(index).and_then(|file| Some((file.executable, file.content?))) {
                Some((executable, (digest, size))) => Entry::File(FileEntry { digest, size, executable }),
                None => continue,
            },
        };
        entries.insert(name, entry);
    }
    let folder = Folder::new(entries);
    folders.push(Arc::clone(&folder));
    folder
}

/// Opens a regular file without following a link in its place, and without waiting for whoever is at the other end of a
/// pipe that was put there.
pub(crate) fn open_plain(dir: &Dir, path: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    #[cfg(target_os = "linux")]
    {
        let flags = rustix::fs::OFlags::NONBLOCK.bits();
        cap_std::fs::OpenOptionsExt::custom_flags(&mut options, i32::try_from(flags).unwrap_or(0));
    }
    let file = dir.open_with(path, &options)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// A path for people, however odd or long.
pub(crate) fn below(folder: &StagePath, name: &str) -> String {
    if folder.is_root() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The rules of a folder's own file of what is not versioned.
pub(crate) fn read_rules(dir: &Dir) -> Option<String> {
    let mut bytes = Vec::new();
    open_plain(dir, IGNORE_FILE).ok()?.take(MAX_RULES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(unix)]
pub(crate) fn is_executable(metadata: &Metadata) -> bool {
    cap_std::fs::MetadataExt::mode(metadata) & 0o100 != 0
}
