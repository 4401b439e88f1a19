//! Turns a path that a guest wrote into a canonical path of its stage.
//!
//! Components are walked one by one. `..` may not rise above the folder that the path is relative to, an absolute path
//! leads out by definition, and links are followed by walking their target under the same rules; a link that is planted
//! or changed between two walks changes the outcome of the second and never leads outside.
//!
//! Each folder and link on the way has to be one that the guest may know of. Otherwise a path like `hidden/../known` would tell
//! by its success that `hidden` is there.

use longhaul_core::grant::Denial;
use longhaul_core::path::{MAX_NAME, MAX_PATH, StagePath, is_component};
use longhaul_core::stage::{FsError, Node, NodeKind, Stage};
use std::collections::VecDeque;

/// Links that are followed in one walk, as on Linux.
const MAX_LINKS: u32 = 40;

/// What to do with a link at the end of a path. Links on the way are always followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLink {
    /// Follow it.
    Follow,
    /// It is what is asked for.
    Keep,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The canonical path.
    pub(crate) path: StagePath,
    /// What is there; none where nothing is there yet and its folder exists.
    pub(crate) node: Option<Node>,
    /// Whether the path said, by a trailing slash, that it means a folder.
    pub(crate) wants_folder: bool,
}

/// A path that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Astray {
    /// Something is wrong on the way.
    Failed {
        /// The last place that the walk looked at.
        at: StagePath,
        /// What went wrong there.
        error: FsError,
    },
    /// The way goes through something that the guest may not know of.
    Hidden(Denial),
}

impl Astray {
    fn at(at: &StagePath, error: FsError) -> Self {
        Astray::Failed { at: at.clone(), error }
    }
}

/// Walks `text` from the folder `base`. `may_pass` tells of everything on the way whether the guest may know of it; what the
/// path leads to in the end is the caller's question.
pub(crate) fn resolve(
    stage: &dyn Stage,
    base: &StagePath,
    text: &str,
    last: LastLink,
    may_pass: impl Fn(&StagePath, &Node) -> Result<(), Denial>,
) -> Result<Resolved, Astray> {
    let mut at = base.clone();
    let astray = |at: &StagePath, error| Err(Astray::at(at, error));
    if text.is_empty() {
        return astray(&at, FsError::NotFound);
    }
    if text.len() > MAX_PATH {
        return astray(&at, FsError::NameTooLong);
    }
    if text.contains('\0') {
        return astray(&at, FsError::Invalid);
    }
    if text.starts_with('/') {
        return astray(&at, FsError::Escape);
    }
    let wants_folder = says_folder(text);
    let mut ahead: VecDeque<String> = text.split('/').map(str::to_owned).collect();
    let mut links = 0;
    let mut node = folder_node(stage, &at)?;
    while let Some(component) = ahead.pop_front() {
        match component.as_str() {
            "" | "." => continue,
            ".." => {
                if at == *base {
                    return astray(&at, FsError::Escape);
                }
                at = at.split().map_or_else(StagePath::root, |(parent, _)| parent);
                node = folder_node(stage, &at)?;
                continue;
            }
            name if name.len() > MAX_NAME => return astray(&at, FsError::NameTooLong),
            name if !is_component(name) => return astray(&at, FsError::Invalid),
            _ => {}
        }
        let Some(path) = at.join(&component) else { return astray(&at, FsError::NameTooLong) };
        let is_last = ahead.iter().all(|c| c.is_empty() || c == ".");
        let found = match stage.node(&path) {
            Ok(found) => found,
            Err(FsError::NotFound) if is_last => return Ok(Resolved { path, node: None, wants_folder }),
            Err(error) => return astray(&path, error),
        };
        let follow = found.kind == NodeKind::Symlink && (!is_last || wants_folder || last == LastLink::Follow);
        if follow || !is_last {
            may_pass(&path, &found).map_err(Astray::Hidden)?;
        }
        match found.kind {
            NodeKind::Symlink if follow => {
                links += 1;
                if links > MAX_LINKS {
                    return astray(&path, FsError::Loop);
                }
                let target = stage.read_link(&path).map_err(|error| Astray::at(&path, error))?;
                if target.starts_with('/') {
                    return astray(&path, FsError::Escape);
                }
                if target.is_empty() {
                    return astray(&path, FsError::NotFound);
                }
                for component in target.rsplit('/') {
                    ahead.push_front(component.to_owned());
                }
            }
            NodeKind::File if !is_last => return astray(&path, FsError::NotFolder),
            _ => {
                at = path;
                node = found;
            }
        }
    }
    if wants_folder && node.kind != NodeKind::Folder {
        return astray(&at, FsError::NotFolder);
    }
    Ok(Resolved { path: at, node: Some(node), wants_folder })
}

/// Whether a path can only mean a folder.
fn says_folder(text: &str) -> bool {
    text.ends_with('/') || text.ends_with("/.") || text.ends_with("/..") || text == "." || text == ".."
}

fn folder_node(stage: &dyn Stage, at: &StagePath) -> Result<Node, Astray> {
    let node = stage.node(at).map_err(|error| Astray::at(at, error))?;
    if node.kind == NodeKind::Folder { Ok(node) } else { Err(Astray::at(at, FsError::NotFolder)) }
}
