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
mod capture;
mod check;
mod command;
mod commit;
mod desk;
mod grants;
mod instance;
mod middle;
mod notes;
mod watch;
mod work;

pub(crate) use attempt::execute;
pub(crate) use grants::Grants;
pub(crate) use instance::Access;
pub(crate) use notes::Readable;
pub(crate) use work::{Ended, Ending, Work, judged};
