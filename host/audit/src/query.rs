//! Questions to a record: which actions were there, and what do they come to?
//!
//! ```text
//! records ──► [`Deeds`] ──► one row for each action, and for each path that a commit changed ──► [`Wanted`] ──► those that are asked for
//!                                                                                       └──► [`Totals`]: hosts, commands, secrets, costs …
//! ```
//!
//! Everything is a fold over the entries in their order: memory grows with what is found, not with how long the record is.

mod deed;
#[cfg(test)]
mod tests;
mod totals;
mod used;
mod wanted;

pub use deed::{Deed, Deeds, Outcome};
pub use totals::{Command, Cost, Gap, Host, Opinion, SecretUse, Totals};
pub use used::Used;
pub use wanted::{OutcomeWanted, Paths, Wanted};
