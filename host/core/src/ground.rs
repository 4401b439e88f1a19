//! Grounds: a stage laid out as a folder of the machine, for commands, and what a command changed taken back into the stage.
//!
//! A stage is data and a command needs a folder. The folder holds what the grant lets an attempt read, and nothing else; what a
//! command leaves there becomes part of the stage as far as the grant lets the attempt write. What was taken is kept in the store
//! of content as one tree ([`Taken::tree`]), from which a replay brings the stage to the same state without running anything.

use crate::commands::Site;
use crate::digest::Digest;
use crate::grant::Grant;
use crate::reach::BoxFuture;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::fmt;

/// Why a stage could not be laid out, or what a command left not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroundError {
    /// This attempt has no folder for commands.
    #[error("this attempt has no files that a command could work in")]
    None,
    /// The attempt has no more room in its stage.
    #[error("{0}")]
    Quota(String),
    /// The machine failed; the text says how.
    #[error("the folder for commands cannot be used: {0}")]
    Io(String),
}

/// Keeps what is shared with others, caches above all, from them as long as this lives.
pub struct Claim(Box<dyn Any + Send + Sync>);

impl Claim {
    /// A claim that ends with `guard`.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claim").field(&(*self.0).type_id()).finish()
    }
}

/// What was taken of what a command left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Names all content that was taken, and the whole output of the command.
    pub tree: Option<Digest>,
    /// How many paths of the stage differ now.
    pub changed: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<String>,
    /// How many changes were not taken over, because the grant does not cover them or a stage cannot have them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// The first of those, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The most paths that are named in a [`Taken`], of each kind.
pub const MAX_LISTED: usize = 100;

/// The folder of one stage.
///
/// Crash contract: nothing of it is durable but the content that was taken, which is kept as long as somebody holds its tree. After a
/// crash it is laid out anew.
pub trait Ground: Send + Sync {
    /// Claims what is shared with other grounds. Waits as long as another command has a cache in use, which is that one's time and not that
    /// of who waits.
    fn claim(&self) -> BoxFuture<'_, Claim>;

    /// Lays the stage out as it is now, as far as `grant` lets it be read. The claim has to be held until what the command left is taken; where
    /// nothing is taken after a command, everything is laid anew before the next one.
    fn lay<'a>(&'a self, grant: &'a Grant, claim: &'a Claim) -> BoxFuture<'a, Result<Site, GroundError>>;

    /// Takes what a command changed there into the stage, as far as `grant` lets it be written. All of it or nothing; what is not
    /// taken is gone from the folder before the next command.
    fn take<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Result<Taken, GroundError>>;

    /// Brings the stage to where it was when `tree` was taken from the same state.
    fn put(&self, tree: Digest) -> BoxFuture<'_, Result<(), GroundError>>;
}

/// No folder at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGround;

impl Ground for NoGround {
    fn claim(&self) -> BoxFuture<'_, Claim> {
        Box::pin(std::future::ready(Claim::new(())))
    }

    fn lay<'a>(&'a self, _: &'a Grant, _: &'a Claim) -> BoxFuture<'a, Result<Site, GroundError>> {
        Box::pin(std::future::ready(Err(GroundError::None)))
    }

    fn take<'a>(&'a self, _: &'a Grant) -> BoxFuture<'a, Result<Taken, GroundError>> {
        Box::pin(std::future::ready(Err(GroundError::None)))
    }

    fn put(&self, _: Digest) -> BoxFuture<'_, Result<(), GroundError>> {
        Box::pin(std::future::ready(Err(GroundError::None)))
    }
}
