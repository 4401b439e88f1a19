//! Paths within a stage: relative, normal, UTF-8.
//!
//! A [`StagePath`] cannot leave its stage, because it has no way to say so: no `..`, no leading `/`, no empty or `.`
//! component, no NUL. The root of a stage is the empty path.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest path in bytes.
pub const MAX_PATH: usize = 4096;
/// Longest component in bytes, as on the usual file systems.
pub const MAX_NAME: usize = 255;

/// A normal path within a stage, with `/` between components; empty for the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StagePath(String);

/// A text that is not a normal path within a stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a path within a stage: {reason}")]
pub struct StagePathError {
    /// What was found, at most 200 characters of it.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Whether `name` can be a component of a path.
pub fn is_component(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && name.len() <= MAX_NAME && !name.contains(['/', '\0'])
}

impl StagePath {
    /// The root of the stage.
    pub fn root() -> Self {
        Self::default()
    }

    /// Checks that `text` is a normal path.
    ///
    /// # Errors
    /// [`StagePathError`] where it is not.
    pub fn new(text: impl Into<String>) -> Result<Self, StagePathError> {
        let text = text.into();
        let reason = if text.is_empty() {
            return Ok(Self(text));
        } else if text.len() > MAX_PATH {
            "it is longer than 4096 bytes"
        } else if text.starts_with('/') {
            "it is absolute"
        } else if !text.split('/').all(is_component) {
            "each component must be a plain name of at most 255 bytes"
        } else {
            return Ok(Self(text));
        };
        Err(StagePathError { text: text.chars().take(200).collect(), reason })
    }

    /// The path of `name` within this folder; `None` where `name` is not a component or the path becomes too long.
    pub fn join(&self, name: &str) -> Option<Self> {
        if !is_component(name) || self.0.len() + 1 + name.len() > MAX_PATH {
            return None;
        }
        Some(if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{}/{name}", self.0)) })
    }

    /// The folder that holds this path, and its name in it; `None` for the root.
    pub fn split(&self) -> Option<(StagePath, &str)> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.0.rsplit_once('/') {
            Some((parent, name)) => (Self(parent.to_owned()), name),
            None => (Self::root(), &self.0),
        })
    }

    /// The components from the root on.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|c| !c.is_empty())
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this path is `folder` or lies in it.
    pub fn is_within(&self, folder: &StagePath) -> bool {
        folder.is_root() || self == folder || self.0.strip_prefix(&folder.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The path as text; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

impl TryFrom<String> for StagePath {
    type Error = StagePathError;
    fn try_from(text: String) -> Result<Self, StagePathError> {
        Self::new(text)
    }
}

impl From<StagePath> for String {
    fn from(path: StagePath) -> String {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_normal_paths_exist() {
        for good in ["", "a", "a/b.rs", ".git/config", "a b/…"] {
            assert!(StagePath::new(good).is_ok(), "{good}");
        }
        for bad in ["/", "/etc", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b", &"a/".repeat(3000), &"x".repeat(256)]
        {
            assert!(StagePath::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parents_and_children() {
        let root = StagePath::root();
        let b = root.join("a").unwrap().join("b").unwrap();
        assert_eq!(b.as_str(), "a/b");
        assert_eq!(b.split().unwrap(), (StagePath::new("a").unwrap(), "b"));
        assert!(b.is_within(&root) && b.is_within(&StagePath::new("a").unwrap()));
        assert!(!StagePath::new("ab").unwrap().is_within(&StagePath::new("a").unwrap()));
        assert!(root.join("..").is_none() && root.join("a/b").is_none());
    }
}
