//! The wiring: store, workspace and machine time as the engine's ports, for whoever carries runs.
//!
//! ```text
//!   engine's port        adapter                behind it
//!   Journal, Records ◄── JournalPort, RecordsPort ── store
//!   Memories         ◄── MemoryPort ──────────────── store
//!   Workspace        ◄── WorkspacePort ───────────── workspace
//!   Hooks            ◄── HooksPort ──────────────── workspace and the host's services
//!   Time             ◄── MachineTime ─────────────── the machine's clock and timers
//!   store's Sealer   ◄── RecordSealer ────────────── audit, with the signing key that it is given
//! ```
//!
//! Engine, store and workspace never see each other; here alone they meet, so that the command line, a server and the
//! simulation run the same. The adapters decide nothing, print nothing and know no folders but those they are given. The
//! plugins' side is not here: it needs the sandbox, and a simulation has none.

mod captures;
mod fork;
mod ground;
mod hooks;
mod journal;
mod memory;
mod past;
mod place;
mod records;
mod seal;
mod time;
mod workspace;

pub use captures::{content_of, deltas_of};
pub use fork::{ForkError, fork};
pub use hooks::HooksPort;
pub use journal::JournalPort;
pub use memory::MemoryPort;
pub use past::{PastJournal, unreached};
pub use place::Place;
pub use records::RecordsPort;
pub use seal::{RecordSealer, origin_of_log, origin_of_run};
pub use time::MachineTime;
pub use workspace::{ImportFailed, OpenError, WorkspacePort};
