//! The executor: runs one task's attempt, watches it, and commits what it made.
//!
//! ```text
//!  Work ──► stage ──► instance ──► accepted? ──► commit ──► Ended
//!             ▲          │ continue-as-new
//!             └─ commit ─┘
//! ```
//!
//! An executor knows nothing of other tasks, and decides nothing: how an attempt ended is for others to judge.

mod attempt;
mod commit;
mod desk;
mod grants;
mod instance;
mod middle;
mod watch;

pub(crate) use attempt::{Ended, Ending, Work, execute};
pub(crate) use grants::Grants;
