//! Takes what a command changed into the store and into the stage, as far as the grant lets it be written.

use super::changes::{Change, LIST, To, apply};
use super::scan::{Found, LeftOut, Scan};
use super::{Ground, GroundError, Laid, LaidFile, parent};
use crate::batch::Batch;
use crate::disk::copy_hashing;
use crate::import::open_plain;
use crate::index::Stamp;
use crate::object::ObjectError;
use crate::stage::{Seen, WorkspaceStage};
use crate::tree::{Entries, Entry, FileEntry, Folder};
use longhaul_core::digest::Digest;
use longhaul_core::grant::{FsAccess, Grant};
use longhaul_core::ground::MAX_LISTED;
use longhaul_core::path::StagePath;
use std::collections::HashMap;
use std::io;

pub use longhaul_core::ground::Taken;

/// What became of the folder, before anything is done about it.
#[derive(Default)]
struct Differences {
    changes: Vec<Change>,
    /// What is to be brought back to what the stage has.
    refused: Vec<StagePath>,
    left_out: LeftOut,
    /// How files look whose content was looked at.
    stamps: HashMap<StagePath, Stamp>,
}

impl Differences {
    /// Adds a change, where the grant lets it be made.
    fn add(&mut self, grant: &Grant, path: &StagePath, to: To) {
        if grant.check_fs(path, FsAccess::Write).is_ok() {
            self.changes.push(Change { path: path.clone(), to });
        } else {
            self.refuse(path, "the grant does not let it be written");
        }
    }

    fn refuse(&mut self, path: &StagePath, reason: &str) {
        self.left_out.add(path.as_str(), reason);
        self.refused.push(path.clone());
    }
}

impl Ground {
    /// Takes what the last command changed. All of it becomes part of the stage, or nothing where there is no room. What the
    /// grant does not let be written is undone.
    ///
    /// # Errors
    /// [`GroundError`]; then everything is laid anew before the next command.
    pub fn take(&mut self, stage: &WorkspaceStage, grant: &Grant) -> Result<Taken, GroundError> {
        let taken = self.try_take(stage, grant);
        match &taken {
            Ok(_) => self.is_in_use = false,
            Err(_) => self.abandon(),
        }
        taken
    }

    fn try_take(&mut self, stage: &WorkspaceStage, grant: &Grant) -> Result<Taken, GroundError> {
        let most = self.laid.len().saturating_add(usize::try_from(stage.most_names()).unwrap_or(usize::MAX));
        let scan = self.scan(most)?;
        let objects = self.objects.clone();
        let adding = objects.adding();
        let batch = objects.batch();
        let Differences { changes, refused, mut left_out, stamps } = self.differences(scan, grant, &batch)?;
        let tree = self.keep(&changes, batch)?;
        let pin = objects.pin(tree);
        drop(adding);
        let in_the_way: Vec<StagePath> =
            apply(stage, &changes)?.into_iter().map(|change| change.path.clone()).collect();
        stage.hold(pin);
        for (path, stamp) in &stamps {
            if let Some(Laid::File(file)) = self.laid.get_mut(path) {
                file.stamp = *stamp;
            }
        }
        for path in &in_the_way {
            left_out.add(path.as_str(), "something is in the way that the command does not see");
        }
        let mut made: Vec<&Change> = changes.iter().collect();
        made.retain(|change| !in_the_way.contains(&change.path));
        for change in &made {
            match (&change.to, stage.seen(&change.path)) {
                (To::Nothing | To::NoFolder, _) | (_, None) => drop(self.laid.remove(&change.path)),
                (_, Some(now)) => {
                    let laid = laid(now, &change.to, stamps.get(&change.path));
                    self.laid.extend(laid.map(|laid| (change.path.clone(), laid)));
                }
            }
        }
        // Brought back to what the stage has when it is laid the next time.
        for path in refused.iter().chain(&in_the_way) {
            self.discard(path)?;
        }
        Ok(Taken {
            tree: Some(tree),
            changed: made.len() as u64,
            listed: made.iter().take(MAX_LISTED).map(|change| change.shown()).collect(),
            left_out: left_out.count,
            unlisted: left_out.first,
        })
    }

    /// Forgets everything, so that it is laid anew.
    pub(super) fn abandon(&mut self) {
        self.laid.clear();
        self.is_in_use = false;
        if let Some(places) = &self.places {
            // What cannot be removed is in the way of the next command, and fails that one.
            drop(super::clear::clear(&places.files));
        }
    }

    /// What differs from what was laid. The content of files that differ is added to `batch`.
    fn differences(&self, scan: Scan, grant: &Grant, batch: &Batch<'_>) -> Result<Differences, GroundError> {
        let mut differences = Differences { left_out: scan.left_out, ..Differences::default() };
        // What is gone, the innermost first, so that what comes in its place finds the place free.
        for (path, laid) in self.laid.iter().rev() {
            let is_there = match (laid, scan.found.get(path)) {
                (Laid::Folder, Some(Found::Folder)) | (Laid::File(_), Some(Found::File { .. })) => true,
                (Laid::Link(before), Some(Found::Link(now))) => before == now,
                _ => false,
            };
            if !is_there {
                differences.add(grant, path, if *laid == Laid::Folder { To::NoFolder } else { To::Nothing });
            }
        }
        for (path, found) in &scan.found {
            match (found, self.laid.get(path)) {
                (Found::Folder, Some(Laid::Folder)) => {}
                (Found::Folder, _) => differences.add(grant, path, To::Folder),
                (Found::Link(now), Some(Laid::Link(before))) if now == before => {}
                (Found::Link(target), _) => differences.add(grant, path, To::Link { target: target.clone() }),
                (Found::File { stamp, executable }, laid) => {
                    let before = if let Some(Laid::File(before)) = laid { Some(before) } else { None };
                    self.file(path, (*stamp, *executable), before, (grant, batch), &mut differences)?;
                }
            }
        }
        Ok(differences)
    }

    fn file(
        &self,
        path: &StagePath,
        (stamp, executable): (Stamp, bool),
        before: Option<&LaidFile>,
        (grant, batch): (&Grant, &Batch<'_>),
        differences: &mut Differences,
    ) -> Result<(), GroundError> {
        if let Some(before) = before {
            // A file that was laid right before the command began may have been changed without its times showing it.
            let is_trusted = self.began.is_some_and(|began| before.stamp.is_settled(&began));
            if before.stamp == stamp && before.executable == executable && is_trusted {
                return Ok(());
            }
        }
        let Some(places) = &self.places else { return Ok(()) };
        let opened = parent(&places.files, path).and_then(|(dir, name)| open_plain(&dir, name));
        let Ok(mut opened) = opened else {
            differences.refuse(path, "it cannot be read");
            return Ok(());
        };
        let may_write = grant.check_fs(path, FsAccess::Write).is_ok();
        let (digest, size) = match (may_write, before) {
            (true, _) => batch.add_file(&mut opened)?,
            (false, Some(_)) => copy_hashing(&mut opened, &mut io::sink()).map_err(GroundError::io("read a file"))?,
            (false, None) => (Digest::of(b""), 0),
        };
        differences.stamps.insert(path.clone(), stamp);
        match before {
            Some(before) if (before.digest, before.executable) == (digest, executable) => {}
            _ => differences.add(grant, path, To::File(FileEntry { digest, size, executable })),
        }
        Ok(())
    }

    /// Puts everything into the store that belongs to the command: what it changed, and what it wrote. Gives the tree that names it.
    fn keep(&self, changes: &[Change], batch: Batch<'_>) -> Result<Digest, GroundError> {
        let file = |digest, size| Entry::File(FileEntry { digest, size, executable: false });
        let list = serde_json::to_vec(changes)
            .map_err(|error| GroundError::Io { action: "write the list of changes", source: error.into() })?;
        let mut entries = Entries::new();
        entries.insert(LIST.into(), file(batch.add_bytes(&list)?, list.len() as u64));
        for (number, change) in changes.iter().enumerate() {
            if let To::File(content) = &change.to {
                entries.insert(number.to_string().into(), file(content.digest, content.size));
            }
        }
        if let Some(places) = &self.places {
            for name in ["stdout", "stderr"] {
                match places.output.open(name) {
                    Ok(mut output) => {
                        let (digest, size) = batch.add_file(&mut output)?;
                        entries.insert(name.into(), file(digest, size));
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(source) => return Err(ObjectError::Io { action: "read a command's output", source }.into()),
                }
            }
        }
        let tree = Folder::new(entries);
        batch.add_folder(&tree)?;
        batch.publish()?;
        Ok(tree.digest())
    }
}

/// What is laid at a path where the stage took over what was there.
fn laid(now: Seen, to: &To, stamp: Option<&Stamp>) -> Option<Laid> {
    Some(match (now, to) {
        (Seen::Folder, _) => Laid::Folder,
        (Seen::Link(target), _) => Laid::Link(target),
        (Seen::File(file), To::File(entry)) => Laid::File(LaidFile {
            identity: file.identity,
            changed: file.changed,
            executable: file.executable,
            digest: entry.digest,
            stamp: *stamp?,
        }),
        (Seen::File(_), _) => return None,
    })
}
