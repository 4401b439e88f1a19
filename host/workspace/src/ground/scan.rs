//! Looks what is in the folder after a command.

use super::{Ground, GroundError};
use crate::import::{below, is_executable, read_rules};
use crate::index::Stamp;
use crate::rules::{Rules, is_reserved};
use crate::tree::MAX_DEPTH;
use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use longhaul_core::ground::MAX_LISTED;
use longhaul_core::path::{MAX_PATH, StagePath};
use std::collections::{BTreeMap, BTreeSet};

/// Something in the folder.
#[derive(Debug)]
pub(super) enum Found {
    Folder,
    Link(String),
    File { stamp: Stamp, executable: bool },
}

/// What is in the folder.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) found: BTreeMap<StagePath, Found>,
    pub(super) left_out: LeftOut,
}

/// What is not taken, with the reason.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) count: u64,
    pub(super) first: Vec<String>,
}

impl LeftOut {
    pub(super) fn add(&mut self, path: &str, reason: &str) {
        self.count += 1;
        if self.first.len() < MAX_LISTED {
            let path: String = path.chars().take(300).collect();
            self.first.push(format!("{path}: {reason}"));
        }
    }
}

struct Walk<'a> {
    /// What was laid, and the folders that lead there: looked at whatever the rules say.
    known: BTreeSet<&'a StagePath>,
    /// The places of caches, whatever a command made of them.
    caches: &'a [StagePath],
    scan: Scan,
    most: usize,
}

impl Ground {
    /// Looks at everything that is versioned or was laid. `most` names are looked at.
    pub(super) fn scan(&self, most: usize) -> Result<Scan, GroundError> {
        let Some(places) = &self.places else { return Ok(Scan::default()) };
        let mut walk = Walk { known: self.laid.keys().collect(), caches: &self.caches, scan: Scan::default(), most };
        walk.folder(&places.files, &StagePath::root(), 0, &self.rules)?;
        Ok(walk.scan)
    }
}

impl Walk<'_> {
    fn folder(&mut self, dir: &Dir, at: &StagePath, depth: usize, rules: &Rules) -> Result<(), GroundError> {
        let failed = GroundError::io("list a folder");
        let own = read_rules(dir).map(|text| rules.within(at.as_str(), &text));
        let rules = own.as_ref().unwrap_or(rules);
        for entry in dir.entries().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                self.scan.left_out.add(&below(at, &name.to_string_lossy()), "its name is not UTF-8");
                continue;
            };
            if is_reserved(name) {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            let Some(path) = at.join(name) else {
                self.scan.left_out.add(&below(at, name), "its path is too long");
                continue;
            };
            if self.caches.contains(&path) {
                continue;
            }
            // A folder that was laid is known itself, so what is versioned below an ignored one is found.
            if rules.ignores(path.as_str(), kind.is_dir()) && !self.known.contains(&path) {
                continue;
            }
            if self.scan.found.len() >= self.most {
                return Err(GroundError::Quota(format!(
                    "the command left more than {} files, folders and links; let it make fewer, ignore them in `.gitignore`, or \
                     raise `limits.files`",
                    self.most
                )));
            }
            let found = if kind.is_dir() {
                if depth + 1 >= MAX_DEPTH {
                    self.scan.left_out.add(path.as_str(), "it lies too deep");
                    continue;
                }
                let Ok(inner) = dir.open_dir_nofollow(name) else {
                    self.scan.left_out.add(path.as_str(), "it cannot be entered");
                    continue;
                };
                self.scan.found.insert(path.clone(), Found::Folder);
                match self.folder(&inner, &path, depth + 1, rules) {
                    // Commands can make folders that not even their owner may list.
                    Err(GroundError::Io { .. }) => {
                        self.scan.left_out.add(path.as_str(), "it cannot be listed");
                        continue;
                    }
                    outcome => outcome?,
                }
                continue;
            } else if kind.is_symlink() {
                match dir.read_link_contents(name).ok().and_then(|target| target.into_os_string().into_string().ok()) {
                    Some(target) if target.len() <= MAX_PATH => Found::Link(target),
                    _ => {
                        self.scan.left_out.add(path.as_str(), "its target is not UTF-8");
                        continue;
                    }
                }
            } else if kind.is_file() {
                let Ok(metadata) = entry.metadata() else { continue };
                Found::File { stamp: Stamp::of(&metadata), executable: is_executable(&metadata) }
            } else {
                self.scan.left_out.add(path.as_str(), "it is neither file, folder nor link");
                continue;
            };
            self.scan.found.insert(path, found);
        }
        Ok(())
    }
}
