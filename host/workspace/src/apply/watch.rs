//! Whether the user has touched a path of an apply since it was looked at.
//!
//! Between the look at a path and its change lies the time that the new contents of all paths take to be made ready, and a
//! user may save a file in it. So each path is looked at once more: by its stamp, which is cheap, and where that does not tell,
//! by its content.

use super::log::Step;
use super::site::{Present, Site};
use crate::index::Stamp;
use longhaul_core::path::StagePath;
use std::collections::HashMap;
use std::io;

/// How paths looked when their content was known.
pub(super) type Stamps = HashMap<StagePath, Stamp>;

/// The paths of an apply, with what each of them may be.
pub(super) struct Watch<'a> {
    /// A path may have two steps, so it may be as any of them finds or leaves it.
    steps: HashMap<&'a StagePath, Vec<&'a Step>>,
    stamps: Stamps,
}

impl<'a> Watch<'a> {
    pub(super) fn new(steps: &'a [Step], stamps: Stamps) -> Self {
        let mut by_path: HashMap<&StagePath, Vec<&Step>> = HashMap::new();
        for step in steps {
            by_path.entry(&step.path).or_default().push(step);
        }
        Self { steps: by_path, stamps }
    }

    /// All paths, in any order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'a StagePath> {
        self.steps.keys().copied()
    }

    /// Whether what is at `path` now is what a step finds or leaves there.
    pub(super) fn is_untouched(&self, site: &Site<'_>, path: &StagePath) -> io::Result<bool> {
        if let Some(stamp) = self.stamps.get(path)
            && site.stamp(path)? == Some(*stamp)
        {
            return Ok(true);
        }
        Ok(match site.look(path)?.0 {
            // What stands in the way is itself one of the paths, and looked at as such.
            Present::Blocked { at } => self.steps.contains_key(&at),
            present => self.steps.get(path).is_some_and(|steps| {
                steps.iter().any(|step| present.is(step.before.as_ref()) || present.is(step.after.as_ref()))
            }),
        })
    }

    /// The paths that the user has touched, sorted.
    pub(super) fn touched(&self, site: &Site<'_>) -> Result<Vec<StagePath>, (StagePath, io::Error)> {
        let mut touched = Vec::new();
        for path in self.paths() {
            if !self.is_untouched(site, path).map_err(|error| (path.clone(), error))? {
                touched.push(path.clone());
            }
        }
        touched.sort();
        Ok(touched)
    }
}
