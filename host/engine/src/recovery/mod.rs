//! Recovery: asks the task's chain of strategies about an incident and works out what their decision means here.
//!
//! ```text
//!  Case ──► strategy 1 ──none──► strategy 2 ──none──► … ──none──► give up
//!              │ decision           │ decision
//!              └─► check ◄──────────┘        a decision that cannot be carried out counts as none
//!                    └──► Verdict, which the orchestrator carries out
//! ```
//!
//! Strategies are hostile until checked: what they may lead to is closed ([`Verdict`]), bounded in number (`MAX_TRIES`) and recorded.

mod case;
mod chain;

pub(crate) use case::{Again, Asker, Case, GoBack, Remedies, Verdict};
pub(crate) use chain::recover;
