//! The simulation: runs of many hours in seconds, while everything goes wrong that can, from one seed.
//!
//! ```text
//!   seed ──► chance ──► World ── outlives ──► Process, Process, Process …      until the run is at its end
//!                                               │ each with a runtime of its own, whose clock is paused
//!              engine, as it is ────────────────┤
//!              store ◄── SimJournal ────────────┤ a cache that a crash empties, a disk that fills up
//!              workspace ◄── SimWorkspace ──────┤ a disk that fails
//!              agents, strategies ◄── Plugins ──┘ functions that hang, fail and trap as the seed says
//!                                    └──► check: the record and the folder, held against an undisturbed run
//! ```
//!
//! Engine, store, workspace and the wiring between them are those that ship, on a real folder; only agents are functions, and
//! strategies are asked natively. Time is Tokio's paused clock: it stands while anything is to be done, and jumps to the next timer
//! otherwise. Everything runs on one thread, and work that waits for the disk is done inline, so time cannot pass meanwhile. The
//! store's own thread only writes what it is waited for.
//!
//! What must hold at the end of each run is in `check`: it is completed with the very bytes of an undisturbed run, each task
//! completed once, commits in a chain; or a person was needed, and everything was kept until the person came.

mod agents;
mod check;
mod dice;
mod faults;
mod ground;
mod guest;
mod journal;
mod life;
mod outside;
mod plugins;
mod project;
mod run;
mod strategies;
mod workspace;
mod world;

pub use faults::Rates;
pub use ground::fast_folder;
pub use project::Project;
pub use run::{Lost, OnHour, Outcome, Person, Reference, disturbed, undisturbed};
