//! The web for agents: one exchange at a time, by an allow-list that holds at every hop.
//!
//! ```text
//!   address ──► granted? ──► look the name up ──► all addresses public? ──► connect to just these ──► answer
//!                  ▲                                                                                   │
//!                  └─────────────────────── redirect, at most five ◄──────────────────────────────────┘
//! ```
//!
//! Secrets are put into header lines here, at the last moment, and taken out of what comes back.

mod fetch;
mod lookup;
mod secrets;

pub use fetch::HostWeb;
pub use lookup::{Lookup, SystemLookup};
pub use secrets::Secrets;
