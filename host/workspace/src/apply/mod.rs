//! Putting the difference between two versions into the user's folder, wholly or not at all.
//!
//! ```text
//! check every path ──► new contents beside the folder ──► log, durable ──► rename, remove ──► log removed
//!        │                        │                          └─ crash: the next open rolls forward
//!        └─ changed by the user   └─ no space: nothing was touched        └─ error: rolled back from the store
//! ```
//!
//! The decision falls with the `log`: before it nothing of the folder was touched, and after it everything that is needed
//! is on the disk. Every step can be made twice, and can be taken back. `site` is the user's folder, seen without
//! following a single link; `watch` tells whether its user has touched a path meanwhile; `run` puts them together, and
//! `recover` goes on where a crash broke it off.

mod log;
mod outcome;
mod recover;
mod run;
mod site;
mod watch;

#[cfg(test)]
mod tests;

pub use outcome::{Applied, ApplyError};
