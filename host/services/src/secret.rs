//! [`Secret`]: a value that is never shown. It is put in at the edge, and taken out of whatever comes back.

use std::fmt;
use std::sync::Arc;

/// What stands where a secret was.
const HIDDEN: &str = "***";
/// The fewest bytes of a secret that is looked for in answers: a shorter one would be found everywhere.
const LEAST: usize = 6;

/// A key, a token, a password. It has no `Display`, and its `Debug` tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// A secret with this value, without the line's end that files have.
    pub fn new(value: &str) -> Self {
        Self(value.trim_end_matches(['\r', '\n']).into())
    }

    /// The value, for the one place that sends it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `text` without this value.
    pub(crate) fn scrub(&self, text: String) -> String {
        if self.0.len() < LEAST || !text.contains(&*self.0) {
            return text;
        }
        text.replace(&*self.0, HIDDEN)
    }

    /// `bytes` without this value.
    pub(crate) fn scrub_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let secret = self.0.as_bytes();
        if secret.len() < LEAST {
            return bytes;
        }
        let mut scrubbed = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while let Some(at) = memchr::memmem::find(rest, secret) {
            scrubbed.extend_from_slice(&rest[..at]);
            scrubbed.extend_from_slice(HIDDEN.as_bytes());
            rest = &rest[at + secret.len()..];
        }
        scrubbed.extend_from_slice(rest);
        scrubbed
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nowhere() {
        let secret = Secret::new("sk-123456\n");
        assert_eq!(format!("{secret:?}"), "Secret(***)");
        assert_eq!(secret.reveal(), "sk-123456");
        assert_eq!(secret.scrub("Bearer sk-123456, sk-12345".to_owned()), "Bearer ***, sk-12345");
        assert_eq!(Secret::new("a").scrub("banana".to_owned()), "banana");
    }
}
