//! What host calls reach outside: services that are the same for every attempt of a host.
//!
//! A service knows nothing of runs, guests or records. It is asked through a trait of `longhaul_core::reach`, does one thing outside, and
//! tells what came of it; who may ask, what is recorded, and what happens after a crash is decided by those who ask.

pub mod config;
pub mod exec;
pub mod http;
#[cfg(test)]
mod loopback;
pub mod model;
mod net;
mod outside;
mod secret;

pub use net::Network;
pub use secret::Secret;
