//! The words of Longhaul, as types.
//!
//! This crate is pure: it opens no file, reads no clock, draws no random number and knows no executor. All other host
//! crates depend on it, and it depends on none of them; what two of them must agree on without knowing each other
//! (a stage, an attempt, an action, a journal entry) is said here once.

pub mod action;
pub mod agents;
pub mod approvals;
pub mod attachment;
pub mod attempt;
pub mod change;
pub mod children;
pub mod clock;
pub mod commands;
pub mod counts;
pub mod digest;
pub mod effect;
pub mod entry;
pub mod grant;
pub mod graph;
pub mod ground;
pub mod hook;
pub mod id;
pub mod incident;
pub mod manifest;
pub mod memory;
pub mod messages;
pub mod model;
pub mod outbox;
pub mod path;
pub mod payload;
pub mod people;
pub mod reach;
pub mod recall;
pub mod spend;
pub mod stage;
pub mod state;
pub mod units;
pub mod web;
pub mod workflow;
