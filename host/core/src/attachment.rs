//! Attachments: what a task is given beside its input. Captured once, when the task first starts, and kept with the run.
//!
//! The record says what was captured ([`Captured`]) before the attempt does anything, and its content is kept as one tree. So every attempt at
//! the task, every replay and every auditor sees the same bytes, whatever became of their sources since.

use crate::digest::Digest;
use crate::reach::BoxFuture;
use crate::units::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most attachments of a task.
pub const MAX_ATTACHMENTS: usize = 256;
/// The most bytes of one of them.
pub const MAX_ATTACHMENT: Bytes = Bytes(4 << 20);
/// The most bytes of what a command writes: it is part of the record too.
pub const MAX_OUTPUT: Bytes = Bytes(256 << 10);
/// The most bytes of all attachments of a task.
pub const MAX_TOGETHER: Bytes = Bytes(16 << 20);

/// Where an attachment comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachSource {
    /// The files of the workspace that a pattern names.
    Files(String),
    /// A picture of the workspace, by its path.
    Image(String),
    /// What a command writes to its standard output.
    Command(Vec<String>),
    /// The state of the repository that the workspace is.
    Repository,
}

impl fmt::Display for AttachSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttachSource::Files(pattern) => write!(f, "files `{pattern}`"),
            AttachSource::Image(path) => write!(f, "image `{path}`"),
            AttachSource::Command(argv) => write!(f, "command `{}`", argv.join(" ")),
            AttachSource::Repository => f.write_str("the repository's state"),
        }
    }
}

/// What kind of thing an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachmentKind {
    /// A file.
    File,
    /// A picture.
    Image,
    /// The output of a command.
    Command,
    /// The state of a repository.
    Repository,
}

impl AttachmentKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            AttachmentKind::File => "file",
            AttachmentKind::Image => "image",
            AttachmentKind::Command => "command",
            AttachmentKind::Repository => "repository",
        }
    }
}

impl fmt::Display for AttachmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name, unique within its task: a path, a command's words, `repository`.
    pub name: String,
    /// What it is.
    pub source: AttachmentKind,
    /// `text/plain`, `image/png`, `image/jpeg`, `application/json` or `application/octet-stream`.
    pub media_type: String,
    /// Bytes of content.
    pub size: Bytes,
    /// The digest of the content, which names it in what is kept.
    pub digest: Digest,
}

/// All that was captured for a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The attachments, in the order of the workflow.
    pub attachments: Vec<Attachment>,
    /// The tree of content that names all of them.
    pub tree: Digest,
}

/// The most changed files that are named in a [`RepositoryState`].
pub const MAX_CHANGED: usize = 1_000;

/// The state of the repository that the workspace is: as an attachment it is this, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryState {
    /// Whether there is one.
    pub repository: bool,
    /// The branch; none where there is no repository or none is checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that is checked out; none where there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The files in which the workspace differs from the repository's index, each behind `A`, `M` or `D`: added, modified, deleted. None where
    /// they were not compared. The first ones, where there are many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Vec<String>>,
    /// What is not said here, and why; empty where nothing is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The attachments of one attempt.
pub trait Attachments: Send + Sync {
    /// All of them.
    fn list(&self) -> &[Attachment];

    /// The content of one of them. The error says in words why it cannot be had.
    fn read<'a>(&'a self, attachment: &'a Attachment) -> BoxFuture<'a, Result<Vec<u8>, String>>;
}

/// None at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAttachments;

impl Attachments for NoAttachments {
    fn list(&self) -> &[Attachment] {
        &[]
    }

    fn read<'a>(&'a self, attachment: &'a Attachment) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(std::future::ready(Err(format!("there is no attachment `{}`", attachment.name))))
    }
}

/// The media type of a picture that models can look at, by its first bytes; none for everything else.
pub fn picture(bytes: &[u8]) -> Option<&'static str> {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    const JPEG: &[u8] = b"\xff\xd8\xff";
    match bytes {
        _ if bytes.starts_with(PNG) => Some("image/png"),
        _ if bytes.starts_with(JPEG) => Some("image/jpeg"),
        _ => None,
    }
}

/// The media type of any content, by looking at it.
pub fn media_type(bytes: &[u8]) -> &'static str {
    match picture(bytes) {
        Some(picture) => picture,
        None if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) => "text/plain",
        None => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_what_it_is_and_names_do_not() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n\0\0"[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"\x89PNG", "application/octet-stream"),
            (b"GIF89a", "text/plain"),
            ("grün\n".as_bytes(), "text/plain"),
            (b"", "text/plain"),
            (b"a\0b", "application/octet-stream"),
        ] {
            assert_eq!(media_type(bytes), expected, "{bytes:?}");
        }
        assert_eq!(picture(b"GIF89a"), None);
    }
}
