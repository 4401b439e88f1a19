//! Commands in an OS sandbox.
//!
//! ```text
//!   host ──spawns──► keeper ──forks──► first process ──forks──► command ──► whatever it starts
//!                    outside            process 1 of its own      all layers on
//!                    watches, ends      namespace; reaps
//! ```
//!
//! The **keeper** is this program started a second time, so that everything is set up in a process with one thread. It stays outside the
//! sandbox, ends the command when its time is up or the host goes, and tells what became of it. The **first process** is number 1
//! of the command's own process namespace: when it ends the kernel ends everything in there, however well it hid.
//! The layers, each where the machine offers it: namespaces, Landlock, seccomp, limits on resources, a watch over all processes.
//! What they come to is probed from within the command's own process, before its program takes over.

#[cfg(target_os = "linux")]
mod keeper;
#[cfg(target_os = "linux")]
mod local;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
pub use keeper::keeper_main;
#[cfg(target_os = "linux")]
pub use local::{Keeper, LocalCommands, Settings};
#[cfg(target_os = "linux")]
pub use wire::Layer;
