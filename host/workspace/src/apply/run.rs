//! Applying a version.

use super::log::{Log, Step, Thing, plan};
use super::outcome::{Applied, ApplyError};
use super::site::{Present, Site};
use super::watch::{Stamps, Watch};
use crate::diff::{Delta, deltas};
use crate::disk::{FEW, emptied, sync_dir, sync_file_system};
use crate::index::Stamp;
use crate::rules::is_reserved;
use crate::tree::VersionId;
use crate::workspace::Workspace;
use longhaul_core::path::StagePath;
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::sync::PoisonError;

pub(super) const FOLDER: &str = "apply";

/// Asked before each step that a crash or an error may hit; tests answer with one or the other.
pub(super) type Gate<'a> = &'a mut dyn FnMut() -> io::Result<()>;

/// A difference that is not in the user's folder yet, with the permissions of what is there.
type Open = (Delta, Option<u32>);

impl Workspace {
    /// Brings the user's folder from version `from` to version `to`, wholly or not at all. What the user changed elsewhere
    /// stays as it is.
    ///
    /// # Errors
    /// [`ApplyError`].
    pub fn apply(&self, from: VersionId, to: VersionId) -> Result<Applied, ApplyError> {
        self.apply_with(from, to, &mut || Ok(()))
    }

    pub(super) fn apply_with(&self, from: VersionId, to: VersionId, gate: Gate<'_>) -> Result<Applied, ApplyError> {
        let _one = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        // One that got stuck before has to be completed first.
        self.recover_with(gate)?;
        let found = deltas(&*self.load(from)?, &*self.load(to)?);
        if let Some(delta) = found.iter().find(|delta| delta.path.components().any(is_reserved)) {
            return Err(ApplyError::Reserved { path: delta.path.clone() });
        }
        let failed = |path: &str| {
            let path = path.to_owned();
            move |source| ApplyError::Prepare { path, source }
        };
        let waiting = emptied(&self.state, FOLDER).map_err(failed("the folder `apply` of the state folder"))?;
        let site = Site { root: &self.root, waiting: &waiting, objects: &self.objects };
        let now = self.objects.now()?;
        let (open, stamps) = check(&site, found, &now)?;
        let steps = plan(&open);
        let files = count_files(&steps);
        if steps.is_empty() {
            return Ok(Applied { version: to, files });
        }

        let log = Log::new(from, to, steps);
        let watch = Watch::new(&log.steps, stamps);
        let written = prepare(&site, &log.steps, gate).and_then(|()| {
            gate().map_err(failed("the log of the apply"))?;
            let touched = watch.touched(&site);
            let touched = touched.map_err(|(path, source)| ApplyError::Prepare { path: path.to_string(), source })?;
            match touched.as_slice() {
                [] => log.write(&waiting).map_err(failed("the log of the apply")),
                _ => Err(ApplyError::Changed { paths: touched }),
            }
        });
        if let Err(error) = written {
            // A log that is half-way is none; without it the folder was not touched.
            let _ = emptied(&self.state, FOLDER);
            return Err(error);
        }

        self.carry_out(&site, &watch, &log.steps, gate)?;
        self.finish(&site, &log.steps, gate).map_err(|source| ApplyError::Stuck { path: StagePath::root(), source })?;
        Ok(Applied { version: to, files })
    }

    /// Makes the steps, one by one. Where one cannot be made, or the user has touched its path, all are taken back.
    fn carry_out(&self, site: &Site<'_>, watch: &Watch<'_>, steps: &[Step], gate: Gate<'_>) -> Result<(), ApplyError> {
        for (number, step) in steps.iter().enumerate() {
            let mut make = || {
                gate()?;
                let untouched = watch.is_untouched(site, &step.path)?;
                if untouched {
                    site.step(step, &name(number))?;
                }
                Ok(untouched)
            };
            let (begun, failure) = match make() {
                Ok(true) => continue,
                Ok(false) => (number, None),
                Err(source) => (number + 1, Some(source)),
            };
            let path = step.path.clone();
            let undone = undo(site, watch, &steps[..begun]).and_then(|()| self.finish(site, steps, &mut || Ok(())));
            return Err(match (undone, failure) {
                (Ok(()), None) => ApplyError::Changed { paths: vec![path] },
                (Ok(()), Some(source)) => ApplyError::RolledBack { path, source },
                (Err(error), failure) => ApplyError::Stuck { path, source: failure.unwrap_or(error) },
            });
        }
        Ok(())
    }

    /// Makes the steps durable, then forgets them.
    pub(super) fn finish(&self, site: &Site<'_>, steps: &[Step], gate: Gate<'_>) -> io::Result<()> {
        let folders: BTreeSet<StagePath> = steps.iter().filter_map(|step| Some(step.path.split()?.0)).collect();
        if folders.len() > FEW {
            sync_file_system(&self.root)?;
        } else {
            for folder in &folders {
                // The folder itself, by way of a name in it; it may be gone with what was in it.
                let inside = folder.join("x").map_or(Ok(None), |path| site.folder_of(&path))?;
                inside.as_ref().map_or(Ok(()), sync_dir)?;
            }
        }
        gate()?;
        Log::remove(site.waiting)?;
        gate()?;
        // What is left over takes room and does no harm; the next apply begins by removing it.
        let _ = emptied(&self.state, FOLDER);
        Ok(())
    }
}

/// What is to be done, and how it looks there now. Fails where the user's folder is neither as before nor as after. `now` is what a file looks like that is made now.
fn check(site: &Site<'_>, found: Vec<Delta>, now: &Stamp) -> Result<(Vec<Open>, Stamps), ApplyError> {
    let paths: HashSet<StagePath> = found.iter().map(|delta| delta.path.clone()).collect();
    let (mut changed, mut open, mut stamps) = (Vec::new(), Vec::new(), Stamps::new());
    for delta in found {
        let (before, after) = (delta.before.as_ref().map(Thing::from), delta.after.as_ref().map(Thing::from));
        let (present, stamp) =
            site.look(&delta.path).map_err(|source| ApplyError::Prepare { path: delta.path.to_string(), source })?;
        let present = match present {
            // What stands in the way is itself one of the differences, and looked at as such.
            Present::Blocked { at } if paths.contains(&at) => Present::Nothing,
            present => present,
        };
        if present.is_exactly(after.as_ref()) {
            continue;
        }
        if present.is(before.as_ref()) || present.is(after.as_ref()) {
            // One that was changed just now may be changed once more without looking any different.
            if let Some(stamp) = stamp.filter(|stamp| stamp.is_settled(now)) {
                stamps.insert(delta.path.clone(), stamp);
            }
            let mode = present.mode();
            open.push((delta, mode));
        } else {
            changed.push(delta.path);
        }
    }
    if changed.is_empty() { Ok((open, stamps)) } else { Err(ApplyError::Changed { paths: changed }) }
}

/// Makes all new contents ready.
fn prepare(site: &Site<'_>, steps: &[Step], gate: Gate<'_>) -> Result<(), ApplyError> {
    let mut waiting = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        if let Some(Thing::File(file)) = &step.after {
            gate()
                .and_then(|()| site.copy(&name(number), file))
                .map_err(|source| ApplyError::Prepare { path: step.path.to_string(), source })?;
            waiting.push(name(number));
        }
    }
    let path = || steps.first().map_or_else(String::new, |step| step.path.to_string());
    site.make_ready(&waiting).map_err(|source| ApplyError::Prepare { path: path(), source })
}

/// Takes steps back, the last one first. Taking back what was not done, or in part, is no harm. What the user has touched since
/// is left, and nothing more is taken back.
fn undo(site: &Site<'_>, watch: &Watch<'_>, done: &[Step]) -> io::Result<()> {
    for (number, step) in done.iter().enumerate().rev() {
        if !watch.is_untouched(site, &step.path)? {
            return Err(io::Error::other(format!("`{}` was changed meanwhile", step.path)));
        }
        site.step(&step.reversed(), &format!("back-{number}"))?;
    }
    Ok(())
}

/// The name under which the content of a step waits.
pub(super) fn name(step: usize) -> String {
    step.to_string()
}

pub(super) fn count_files(steps: &[Step]) -> u64 {
    let folder = |thing: &Option<Thing>| thing.is_none() || *thing == Some(Thing::Folder);
    let paths: HashSet<&StagePath> =
        steps.iter().filter(|step| !(folder(&step.before) && folder(&step.after))).map(|step| &step.path).collect();
    paths.len() as u64
}
