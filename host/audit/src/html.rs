//! A report of one run for people: a single HTML file that needs nothing else, neither network nor scripts.
//!
//! ```text
//! records ──► [`Gathered`] ──┐
//! verification, files ─► [`Told`] ──► [`write`] ──► sections ──► page ──► text
//! ```
//!
//! Whatever comes from agents, files or workflows is hostile: it can get into the page only as escaped text (see `page`), in bounded pieces, and what
//! would hide or turn around other text is told by its number. A policy in the page forbids everything but its own style and script, by their
//! digests. Every list has a bound, and says how many it leaves out and which command shows them, so the size of a report does not depend on the run.

mod diff;
mod gather;
mod lanes;
mod layout;
mod legible;
mod mark;
mod page;
mod scale;
mod section;
#[cfg(test)]
mod tests;
mod told;
mod whole;

pub use diff::{Body, Comparer, Lines, MAX_FILE, Piece, Sign};
pub use gather::Gathered;
pub use told::{FileChange, Files, Told, Verdict, Verified};
pub use whole::write;
