//! A record in the forms that other programs read. All of them are made from entries as they come, with memory that does not grow with
//! the number of actions.
//!
//! - [`ocsf`]: host calls as security events, for a system that collects those.
//! - [`otel`]: run, tasks, attempts and actions as spans of one trace.
//! - [`statement`]: what the run came to, as an in-toto statement in a signed envelope ([`dsse`]).

pub mod dsse;
pub mod ocsf;
pub mod otel;
pub mod statement;
#[cfg(test)]
mod tests;
