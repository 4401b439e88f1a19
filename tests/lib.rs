//! What the end-to-end tests share: the binary, a place to use it in, and what came of using it.
//!
//! [`Place`] is a workspace of its own with a folder for workflows beside it. [`Place::longhaul`] starts the binary there and
//! waits for its end ([`Ended`]); [`Place::start`] leaves it running ([`Running`]), to be watched line by line, signalled
//! and killed. Nothing waits without a deadline, and a command that panics fails its test whatever else it does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests end in a panic where what they rely on is not there")]

#[path = "fixture/disk.rs"]
mod disk;
#[path = "fixture/ended.rs"]
mod ended;
#[path = "fixture/place.rs"]
mod place;
#[path = "fixture/python.rs"]
mod python;
#[path = "fixture/running.rs"]
mod running;
#[path = "fixture/server.rs"]
mod server;
#[path = "fixture/tree.rs"]
mod tree;

pub use disk::SmallDisk;
pub use ended::Ended;
pub use place::{Place, binary, guest, repository};
pub use python::python;
pub use running::Running;
pub use server::{Asked, Server};
pub use tree::{Node, Tree};

use std::time::Duration;

/// A workflow of one task that may do everything with the files, and replaces `old` in them by `new`.
pub const WORK: &str = r#"
version: 1
name: work
agents: { codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } } }
permissions: { fs: { read: ["**"], write: ["**"] } }
tasks: { change: { agent: codemod } }
"#;

/// How long anything is waited for. A first run compiles plugins on a machine that may be busy.
pub const PATIENCE: Duration = Duration::from_secs(240);
