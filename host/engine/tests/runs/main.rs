//! Whole runs against ports in memory, which mean what the real ones mean: versions are immutable, the first commit wins, a
//! record that was not flushed is not durable. Time is virtual.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a fake that fails is a test that fails")]

mod backtest;
mod budgets;
mod checkpoints;
mod checks;
mod children;
mod commands;
mod deadlines;
mod deadlock;
mod effects;
mod fairness;
mod files;
mod go_back;
mod hooks;
mod limits;
mod load;
mod memories;
mod memory;
mod messages;
mod middle;
mod order;
mod outputs;
mod people;
mod record;
mod recovery;
mod renewal;
mod repair;
mod replay;
mod resume;
mod reuse;
mod waiting;
mod world;
