//! What is captured so far, within its bounds.

use super::{Failed, invalid};
use crate::ports::Content;
use longhaul_core::attachment::{
    AttachSource, Attachment, AttachmentKind, MAX_ATTACHMENT, MAX_ATTACHMENTS, MAX_TOGETHER, media_type, picture,
};
use longhaul_core::digest::Digest;
use longhaul_core::units::Bytes;

/// Attachments with their contents.
#[derive(Default)]
pub(super) struct Gathered {
    attachments: Vec<Attachment>,
    contents: Vec<Content>,
    together: u64,
}

impl Gathered {
    /// All of them.
    pub(super) fn all(self) -> (Vec<Attachment>, Vec<Content>) {
        (self.attachments, self.contents)
    }

    /// Whether there is room for one more of this size.
    pub(super) fn has_room(&self, source: &AttachSource, size: Bytes) -> Result<(), Failed> {
        let reason = if self.attachments.len() >= MAX_ATTACHMENTS {
            format!("with it there are more than {MAX_ATTACHMENTS} attachments")
        } else if size > MAX_ATTACHMENT {
            format!("it has {} bytes, more than the {} (4 MiB) of an attachment", size.0, MAX_ATTACHMENT.0)
        } else if self.together.saturating_add(size.0) > MAX_TOGETHER.0 {
            format!("with it the attachments of the task have more than {} bytes (16 MiB)", MAX_TOGETHER.0)
        } else {
            return Ok(());
        };
        Err(invalid(source, &reason).into())
    }

    /// Adds content that a version has. What is there already under this name is not added again.
    pub(super) fn known(
        &mut self,
        source: &AttachSource,
        name: &str,
        kind: AttachmentKind,
        (size, digest): (u64, Digest),
        content: &[u8],
    ) -> Result<(), Failed> {
        let media_type = match (kind, picture(content)) {
            (AttachmentKind::Image, None) => {
                return Err(invalid(source, "it is neither a PNG nor a JPEG picture").into());
            }
            _ => media_type(content),
        };
        self.put(source, (name.to_owned(), kind, media_type), (size, digest), Content::Known(size, digest))
    }

    /// Adds what was written.
    pub(super) fn add(
        &mut self,
        source: &AttachSource,
        name: String,
        kind: AttachmentKind,
        bytes: Vec<u8>,
    ) -> Result<(), Failed> {
        let about = (bytes.len() as u64, Digest::of(&bytes));
        self.put(source, (name, kind, media_type(&bytes)), about, Content::Bytes(bytes))
    }

    /// Adds the state of the repository.
    pub(super) fn state(&mut self, source: &AttachSource, json: Vec<u8>) -> Result<(), Failed> {
        let about = (json.len() as u64, Digest::of(&json));
        let what = ("repository".to_owned(), AttachmentKind::Repository, "application/json");
        self.put(source, what, about, Content::Bytes(json))
    }

    fn put(
        &mut self,
        source: &AttachSource,
        (name, kind, media_type): (String, AttachmentKind, &str),
        (size, digest): (u64, Digest),
        content: Content,
    ) -> Result<(), Failed> {
        if self.attachments.iter().any(|known| known.name == name && known.digest == digest) {
            return Ok(());
        }
        self.has_room(source, Bytes(size))?;
        self.together += size;
        let name =
            if self.attachments.iter().any(|known| known.name == name) { format!("{kind} {name}") } else { name };
        let media_type = media_type.to_owned();
        self.attachments.push(Attachment { name, source: kind, media_type, size: Bytes(size), digest });
        self.contents.push(content);
        Ok(())
    }
}
