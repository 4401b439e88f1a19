//! What users of the journal rely on, through its public face: order, durability, bytes kept exactly, clear errors.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper of a test fails the test")]

mod crash;
mod damage;
mod faults;
mod fence;
mod golden;
mod injected;
mod memory;
mod migrate;
mod order;
mod reading;
mod samples;
mod seals;
