//! Attachments: what the task is given beside its input, as the workflow's `attach` says.
//!
//! They were captured when the task first started, so all attempts at it see the same content, whatever became of the workspace since.

use crate::{Error, host::call};

/// Something that the task is given beside its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, unique within the task: a path, a command's words, `repository`.
    pub name: String,
    /// What it is: `file`, `image`, `command` or `repository`.
    pub source: String,
    /// `text/plain`, `image/png`, `image/jpeg`, `application/json` or `application/octet-stream`.
    pub media_type: String,
    /// Bytes of content.
    pub size: u64,
    /// The SHA-256 digest of the content.
    pub digest: String,
}

impl Attachment {
    /// Its content.
    ///
    /// # Errors
    /// It is larger than one host call may carry.
    pub fn read(&self) -> Result<Vec<u8>, Error> {
        content(&self.name)
    }

    /// Whether it is a text.
    pub fn is_text(&self) -> bool {
        matches!(self.media_type.as_str(), "text/plain" | "application/json")
    }

    /// Whether it is a picture that models can look at.
    pub fn is_picture(&self) -> bool {
        self.media_type.starts_with("image/")
    }
}

/// The content of an attachment, by its name.
pub(crate) fn content(name: &str) -> Result<Vec<u8>, Error> {
    call!(context::read_attachment(name))
}

/// All of them, in the order of the workflow; none outside a host.
#[cfg(not(target_arch = "wasm32"))]
pub fn attachments() -> Vec<Attachment> {
    crate::testing::current().map(|host| host.context().attachments()).unwrap_or_default()
}

/// All of them, in the order of the workflow; none outside a host.
#[cfg(target_arch = "wasm32")]
pub fn attachments() -> Vec<Attachment> {
    let all = crate::bindings::agent::longhaul::plugin::context::attachments();
    let attachment = |one: crate::bindings::agent::longhaul::plugin::context::Attachment| Attachment {
        name: one.name,
        source: one.source,
        media_type: one.media_type,
        size: one.size,
        digest: one.digest,
    };
    all.into_iter().map(attachment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn a_test_attaches_what_its_agent_reads() {
        let host = Host::new();
        host.attach("notes.md", "text/plain", b"hello");
        host.attach("shot.png", "image/png", b"\x89PNG");
        let all = attachments();
        assert_eq!(
            all.iter().map(|one| (one.name.as_str(), one.size)).collect::<Vec<_>>(),
            [("notes.md", 5), ("shot.png", 4)]
        );
        assert!(all[0].is_text() && !all[0].is_picture() && all[1].is_picture());
        assert_eq!(all[0].read().unwrap(), b"hello");
        let gone = Attachment { name: "gone".into(), ..all[0].clone() };
        assert!(matches!(gone.read(), Err(Error::Invalid(_))));
    }

    #[test]
    fn outside_a_host_there_are_none() {
        assert_eq!(attachments(), []);
    }
}
