//! Commands in the sandbox, with real processes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a place that cannot be made is a test that fails")]

mod bounds;
mod ends;
mod isolation;
mod world;
