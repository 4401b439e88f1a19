//! Runs plugins: components that are hostile until proven otherwise.
//!
//! ```text
//!   bytes ──inspect──► compile (in a process of its own) ──cache──► Plugin ──instance──► run, under limits
//! ```
//!
//! Two walls keep a guest where it belongs. The first is `fs`: the guest's files are a stage, which is data. The
//! second is `wall`: the threads that run guests are confined by the kernel. Everything that a guest does is recorded by
//! `audit`, every resource that it takes is counted by `meter`, and whatever ends it is told as a typed problem
//! by `failure`.
//!
//! This is the only crate that names wasmtime. It knows nothing of runs, graphs or workspaces.

mod agent;
mod attachments;
mod audit;
mod bindings;
mod cache;
mod clock;
mod compile;
mod engine;
mod error;
mod exec;
mod failure;
mod fs;
mod guest;
mod host;
mod http;
mod human;
mod inspect;
mod memory;
mod messages;
mod meter;
mod model;
mod no_files;
mod plugin;
mod run;
mod sandbox;
mod service;
mod sockets;
mod stdio;
mod strategy;
mod tasks;
mod waits;
mod wall;

pub use compile::{CompileLimits, CompileWorker, worker_main};
pub use engine::Allocation;
pub use error::{PluginError, SandboxError};
pub use inspect::{Inspection, MAX_COMPONENT, inspect};
pub use plugin::Plugin;
pub use sandbox::{Sandbox, SandboxConfig, WallPolicy};
pub use wall::{Enclosure, WallStatus};
