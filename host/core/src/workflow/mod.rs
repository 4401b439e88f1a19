//! Workflow files: their form, their checks, their expressions.
//!
//! ```text
//!   text ──► raw (what the file says) ──► check ──► model (what the host uses)
//!                 │                         │
//!                 └──► schema (for editors) └──► errors, each with file, line, column, field and what to do
//! ```

mod abilities;
mod attach;
mod cel;
mod check;
mod checks;
mod convert;
pub mod error;
pub mod expr;
pub mod file;
mod hooks;
mod mentions;
mod meter;
pub mod model;
mod models;
mod near;
pub mod parse;
pub mod path;
mod raw;
pub mod schema;
mod source;
mod tasks;
pub mod template;
mod values;

#[cfg(test)]
mod tests;
