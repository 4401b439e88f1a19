//! What the bundled model-driven agents share.
//!
//! A [`Bench`] is a folder, what was changed in it and what was run; [`look`], [`change`] and [`run`] are the tools that work
//! on it, each for those agents that need it. [`Talk`] is how an agent's configuration says how to talk to the model.
//! Everything that a tool is given comes from a model: paths stay below the folder, results are bounded, and what does not
//! work is told in words that help to do it right.

mod attached;
mod bench;
pub mod change;
mod command;
pub mod look;
pub mod run;
mod talk;
pub mod work;

pub use attached::open;
pub use bench::{Bench, Ran};
pub use command::{CommandConfig, Outcome, execute};
pub use longhaul_sdk::shortened;
pub use talk::{Talk, brief, instructions, written};
pub use work::Work;
