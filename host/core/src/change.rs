//! What changed from one version of the workspace to another.

use crate::digest::Digest;
use crate::path::StagePath;
use serde::{Deserialize, Serialize};

/// A change of one path between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The path.
    pub path: StagePath,
    /// What became of it.
    pub change: ChangeKind,
    /// The digest of its content now; none where it was removed or is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// Its content or kind is another.
    Modified,
    /// It is gone.
    Removed,
}

impl ChangeKind {
    /// What became of a path in the end that went through `first` and then through `second`; none where it is as it was
    /// before both.
    pub fn together(first: Option<ChangeKind>, second: ChangeKind) -> Option<ChangeKind> {
        use ChangeKind::{Added, Modified, Removed};
        match (first, second) {
            (Some(Added), Removed) => None,
            (Some(Added), _) => Some(Added),
            (Some(Removed), Added | Modified) => Some(Modified),
            (_, second) => Some(second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_add_up_to_the_difference_between_first_and_last() {
        use ChangeKind::{Added, Modified, Removed};
        for (steps, expected) in [
            (&[Added, Modified][..], Some(Added)),
            (&[Added, Removed], None),
            (&[Modified, Modified], Some(Modified)),
            (&[Modified, Removed], Some(Removed)),
            (&[Removed, Added], Some(Modified)),
            (&[Removed, Added, Removed], Some(Removed)),
            (&[Added, Removed, Added], Some(Added)),
        ] {
            let all = steps.iter().fold(None, |first, second| ChangeKind::together(first, *second));
            assert_eq!(all, expected, "{steps:?}");
        }
    }
}
