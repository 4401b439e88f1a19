//! Write agents and recovery strategies for Longhaul.
//!
//! A plugin is a WASI component. This crate turns it into one trait and one attribute: implement [`Agent`] and mark
//! the implementation with [`macro@agent`], or [`Strategy`] with [`macro@strategy`]. Plain [`std::fs`] works inside:
//! the folder `/` holds the task's files, and relative paths start there. What goes beyond files is a module
//! of this crate ([`exec`], [`model`], [`http`], [`memory`], [`messages`], [`tasks`], [`human`]), and each call
//! needs the permission of the same name in the plugin's manifest.
//!
//! The smallest useful agent:
//!
//! ```
//! use longhaul_sdk::{Agent, Failure, Task, files, log};
//! use serde::{Deserialize, Serialize};
//! use std::io::BufRead;
//!
//! struct Count;
//!
//! #[derive(Deserialize)]
//! struct Input { file: String }
//!
//! #[derive(Serialize)]
//! struct Output { lines: usize }
//!
//! #[longhaul_sdk::agent]
//! impl Agent for Count {
//!     type Config = longhaul_sdk::Empty;
//!     type Input = Input;
//!     type Output = Output;
//!
//!     fn run(task: Task<Self::Config, Self::Input>) -> Result<Output, Failure> {
//!         let text = files::read(&task.input.file)?;
//!         let lines = text.lines().count();
//!         log::info(format!("{} has {lines} lines", task.input.file));
//!         Ok(Output { lines })
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! The smallest strategy:
//!
//! ```
//! use longhaul_sdk::{Decision, Situation, Strategy};
//!
//! struct OnceMore;
//!
//! #[longhaul_sdk::strategy]
//! impl Strategy for OnceMore {
//!     type Config = longhaul_sdk::Empty;
//!
//!     fn decide(situation: Situation<Self::Config>) -> Result<Option<Decision>, String> {
//!         Ok((situation.incident.attempt == 1).then_some(Decision::Retry(1_000)))
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! # The crate around it
//!
//! A `cdylib` (and an `rlib`, so that `cargo test` can reach it) with `longhaul-sdk`, and `serde` with `derive`, as
//! dependencies, built for `wasm32-wasip2`:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]
//! ```
//!
//! # The manifest
//!
//! A file `plugin.toml` beside `Cargo.toml` says what the plugin asks for. It is read when the attribute is
//! expanded, checked, and carried inside the component, so one digest covers both. Every key is optional; without
//! the file the plugin has Cargo's name, version and description, and asks for nothing.
//!
//! ```toml
//! name = "count"                  # Cargo's package name
//! version = "0.1.0"               # Cargo's version
//! description = "Counts lines"    # Cargo's description
//! skills = ["statistics"]         # what a task may ask for instead of naming an agent
//!
//! [[permissions]]
//! capability = "fs.read"          # fs.read fs.write exec model http memory messages tasks human
//! pattern = "**"                  # a path glob, an argv prefix or `*`, a model, a host, a scope
//! reason = "to count the lines of the file that the task names"
//! optional = false                # true where the plugin also works without it
//!
//! [config]                        # a JSON Schema of the agent's `config`, written as TOML
//! type = "object"
//!
//! [input]                         # and of the task's `with`; agents only
//! type = "object"
//! required = ["file"]
//! properties.file = { type = "string", description = "The file to count" }
//! ```
//!
//! A change of `plugin.toml` rebuilds the plugin. When the file is new, touch the source once: Cargo cannot watch what
//! was not there.
//!
//! # Models
//!
//! [`model::chat`] asks a model once. A [`Conversation`] keeps what was said inside the model's window, gives answers of a form
//! ([`Conversation::ask_for`]), and can be handed over to a fresh instance. [`Tools`] are ordinary functions that the model
//! may call, and a [`ToolLoop`] lets it, within [`Bounds`], until the work is done. Structs of arguments and answers derive
//! `schemars::JsonSchema`, so their crate depends on `schemars`, of the version that is re-exported here.
//!
//! # Errors
//!
//! An agent fails with a [`Failure`], whose kind decides how it is recovered. `?` turns an [`std::io::Error`] and the
//! [`Error`] of a host call into one. `config` and `input` that do not fit their types never reach the agent:
//! the task fails with `invalid-input`, and the message names the field.
//!
//! # Outside a host
//!
//! Built for any other target the plugin is an ordinary library: `cargo test` runs its functions natively. Its calls are
//! answered by the host that a test scripts, see `testing`. Without one, log lines and progress go nowhere, and
//! calls of a capability answer [`Error::Unavailable`].

mod agent;
pub mod attachment;
mod bindings;
mod capabilities;
pub mod context;
mod conversation;
mod decode;
mod error;
mod failure;
pub mod files;
mod host;
pub mod log;
#[cfg(feature = "patterns")]
pub mod pattern;
#[cfg(feature = "patterns")]
pub mod rules;
mod selection;
mod span;
mod strategy;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod tool_loop;
mod tools;

pub use agent::{Agent, Outcome, Output, Task};
pub use attachment::Attachment;
pub use capabilities::{exec, http, human, memory, messages, model, tasks};
pub use conversation::{Ask, Call, CallResult, Conversation, Picture, Reply, Settings, Spent, shortened};
pub use decode::Empty;
pub use error::{Denial, Error};
pub use failure::{Failure, FailureKind};
pub use longhaul_sdk_macros::{agent, strategy};
pub use schemars;
pub use selection::{Chunk, Lines, Part, Selection};
pub use span::{Span, SpanError};
pub use strategy::{Decision, Incident, IncidentClass, Past, Rollback, Situation, Strategy};
pub use tool_loop::{Bounds, Ended, ToolLoop};
pub use tools::{ToolError, Tools};

/// What the attributes expand to. No part of the interface: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::agent::run_agent;
    pub use crate::bindings::{agent, strategy};
    pub use crate::strategy::decide_strategy;
}
