//! The engine: carries a workflow through a run, and knows nothing but its ports.
//!
//! ```text
//!   Engine::run ──► orchestrator   progress, priorities, the end            one dispatcher, one closed set of events
//!                     │     ▲
//!                     ▼     │
//!                   executor       runs and watches one task's attempt, commits what it made
//!                     │ failed
//!                     ▼
//!                   recovery       asks the chain of strategies, works out what their decision means
//!
//!   all of them ──► ledger ──► Journal, Observer        shared: head version, fuel, the signal to stop
//!                   Plugins, Workspace, Time
//! ```
//!
//! What holds, whatever plugins and ports do:
//!
//! - **Record first.** An action, a transition, a decision happens when its entry could be appended; a commit becomes visible
//!   when its entry is durable. After the record is lost nothing is committed or applied.
//! - **One writer.** Only the dispatcher changes states, through the transition functions of `longhaul-core`.
//! - **Strategies cannot hold a run.** Their decisions are a closed set, checked, bounded in number, and asked for within a time.
//! - **The engine looks at no clock, draws no random number and prints nothing.** Time and seed are given.
//!
//! Absent on purpose: databases, WASM, files, sockets. Adapters in `longhaul-wiring` and the command line connect the ports to the crates that have them.

mod backtest;
mod board;
mod captures;
mod deadlines;
mod engine;
mod error;
mod executor;
mod forward;
mod history;
mod hooks;
mod kept;
mod ledger;
mod mail;
mod options;
mod orchestrator;
mod places;
pub mod ports;
mod questions;
mod recovery;
mod replay;
mod report;
mod room;
mod shared;
mod spending;
mod transcript;

pub use backtest::{Answer, Backtest, PastIncident};
pub use engine::Engine;
pub use error::EngineError;
pub use history::{Checkpoint, History, HistoryError, Standing};
pub use options::{Apply, ResumeOptions, RunControl, RunOptions};
pub use places::Places;
pub use questions::OpenQuestion;
pub use replay::{Replayed, Verdict};
pub use report::{RunReport, TaskRow};
