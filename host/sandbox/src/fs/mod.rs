//! The first wall: the file system that a guest sees.
//!
//! ```text
//!   guest ──wasi:filesystem──► host.rs      the WASI functions
//!                                 │
//!                              resolve.rs   a guest's path → a canonical path of the stage, or a refusal
//!                                 │
//!                              context.rs   the grant's word on it, and the record of it
//!                                 │
//!                              handle.rs, stream.rs   open files; consecutive reads or writes are one action
//!                                 ▼
//!                              core::stage::Stage
//! ```
//!
//! WASI's own implementation of files is not linked at all. A guest's path is interpreted against the stage, which is
//! data, and never handed to the operating system; so there is nothing that `..`, an absolute path or a planted link
//! could reach.

#[cfg(test)]
mod breach;
mod context;
mod handle;
mod host;
mod resolve;
mod stream;

pub(crate) use context::FsContext;
pub(crate) use host::{FsView, HasFs};
