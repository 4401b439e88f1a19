//! The log of an apply: what has to be done, in order, as JSON in `state/apply/log.json`.
//!
//! It exists exactly while the user's folder may be half-changed. These are the stored types; their form is fixed by a test.

use crate::diff::{Delta, Leaf};
use crate::disk::{private_file, sync_dir};
use crate::tree::{FileEntry, VersionId};
use cap_std::fs::Dir;
use longhaul_core::path::StagePath;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

const NAME: &str = "log.json";
const FORMAT: u32 = 1;

/// The whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    format: u32,
    /// The version that the folder had.
    pub(super) from: VersionId,
    /// The version that it gets.
    pub(super) to: VersionId,
    /// In the order in which they are done.
    pub(super) steps: Vec<Step>,
}

/// One path goes from one thing to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// The path.
    pub(super) path: StagePath,
    /// What was there.
    pub(super) before: Option<Thing>,
    /// What will be there.
    pub(super) after: Option<Thing>,
    /// The permissions that it had in the user's folder, for putting it back.
    pub(super) mode: Option<u32>,
}

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Thing {
    Folder,
    File(FileEntry),
    Link(String),
}

impl From<&Leaf> for Thing {
    fn from(leaf: &Leaf) -> Self {
        match leaf {
            Leaf::Folder => Thing::Folder,
            Leaf::File(file) => Thing::File(*file),
            Leaf::Symlink(target) => Thing::Link(target.to_string()),
        }
    }
}

impl Thing {
    fn is_folder(thing: Option<&Thing>) -> bool {
        matches!(thing, Some(Thing::Folder))
    }
}

impl Step {
    /// The step that takes this one back.
    pub(super) fn reversed(&self) -> Step {
        Step { path: self.path.clone(), before: self.after.clone(), after: self.before.clone(), mode: self.mode }
    }
}

impl Log {
    /// The log of these steps.
    pub(super) fn new(from: VersionId, to: VersionId, steps: Vec<Step>) -> Self {
        Self { format: FORMAT, from, to, steps }
    }

    /// Writes the log, durably.
    pub(super) fn write(&self, dir: &Dir) -> io::Result<()> {
        let fresh = "log.new";
        remove(dir, fresh)?;
        let mut file = dir.open_with(fresh, &private_file())?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        dir.rename(fresh, dir, NAME)?;
        sync_dir(dir)
    }

    /// Reads the log; nothing where there is none, the reason where it makes no sense.
    pub(super) fn read(dir: &Dir) -> Result<Option<Self>, String> {
        let bytes = match dir.read(NAME) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let log: Log = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if log.format == FORMAT { Ok(Some(log)) } else { Err(format!("its format {} is not {FORMAT}", log.format)) }
    }

    /// Removes the log, durably: the apply is over.
    pub(super) fn remove(dir: &Dir) -> io::Result<()> {
        remove(dir, NAME)?;
        sync_dir(dir)
    }
}

/// Removes a file that may be missing.
pub(super) fn remove(dir: &Dir, name: &str) -> io::Result<()> {
    match dir.remove_file(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The steps of these differences, each given with the permissions it has now. What has to go, goes first, from the leaves
/// up; then everything else is made, from the root down. A folder that becomes something else is two steps.
pub(super) fn plan(deltas: &[(Delta, Option<u32>)]) -> Vec<Step> {
    let mut removals = Vec::new();
    let mut additions = Vec::new();
    for (delta, mode) in deltas {
        let before = delta.before.as_ref().map(Thing::from);
        let after = delta.after.as_ref().map(Thing::from);
        let step = |before, after| Step { path: delta.path.clone(), before, after, mode: *mode };
        let changes_kind = Thing::is_folder(before.as_ref()) != Thing::is_folder(after.as_ref());
        match (before, after) {
            (before, None) => removals.push(step(before, None)),
            (Some(before), after) if changes_kind => {
                removals.push(step(Some(before), None));
                additions.push(step(None, after));
            }
            (before, after) => additions.push(step(before, after)),
        }
    }
    removals.reverse();
    removals.append(&mut additions);
    removals
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::digest::Digest;

    #[test]
    fn the_stored_form_never_changes() {
        let file = FileEntry { digest: Digest::of(b"abc"), size: 3, executable: false };
        let step = |path: &str, before, after| Step { path: StagePath::new(path).unwrap(), before, after, mode: None };
        let log = Log::new(
            VersionId(Digest::of(b"a")),
            VersionId(Digest::of(b"b")),
            vec![
                step("old", Some(Thing::Link("x".into())), None),
                Step { mode: Some(0o644), ..step("d/f", None, Some(Thing::File(file))) },
                step("e", None, Some(Thing::Folder)),
            ],
        );
        let text = concat!(
            r#"{"format":1,"from":"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb","#,
            r#""to":"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d","steps":["#,
            r#"{"path":"old","before":{"link":"x"},"after":null,"mode":null},"#,
            r#"{"path":"d/f","before":null,"after":{"file":{"digest":"#,
            r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":3,"executable":false}},"mode":420},"#,
            r#"{"path":"e","before":null,"after":"folder","mode":null}]}"#,
        );
        assert_eq!(serde_json::to_string(&log).unwrap(), text);
        assert_eq!(serde_json::from_str::<Log>(text).unwrap(), log);
    }
}
