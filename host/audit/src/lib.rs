//! Tamper evidence: what makes a change to the record visible to whoever holds a signed head of it.
//!
//! ```text
//!  entries ──► tree ─────► TreeHead ──► note ──► signed checkpoint ─────┐
//!  (bytes)     RFC 6962    size, root   C2SP     by a key of `key`      ▼
//!     └───────────────────────────────────────────────────────────► verify ──► Report
//! ```
//!
//! - [`tree`]: RFC 6962 Merkle trees: a [`Frontier`](tree::Frontier) that is appended to, a [`Tree`](tree::Tree) that gives proofs.
//! - [`note`]: C2SP signed notes and checkpoints.
//! - [`key`]: the file of the signing key, and the ring of keys that held one after the other.
//! - [`verify`]: is a record what its heads say, and where is it not?
//! - [`bundle`]: a record in one file, to be verified anywhere.
//! - [`export`]: a record in the forms that other programs read.
//! - [`query`]: what was done, by whom, to what, and what did it cost?
//! - [`html`]: a report of one run for people, as one file.
//!
//! But for [`query`], [`export`] and [`html`] this crate knows no run: entries are bytes. It knows no store. Only [`key::KeyFolder`] opens files, in the folder that it is
//! given; nothing here reads a clock or draws a random number of its own.

pub mod bundle;
pub mod export;
pub mod html;
pub mod key;
pub mod note;
pub mod query;
pub mod tree;
pub mod verify;
