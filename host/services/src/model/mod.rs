//! Language models: who answers for a host.
//!
//! ```text
//!   HostModels ──► the model's name ──► its route: providers in order, window, prices
//!                                            ├── OpenAi     asks an endpoint, at its pace
//!                                            ├── Scripted   answers from a file, by rules
//!                                            └── Recorded   answers as an earlier run was answered
//! ```
//!
//! A provider answers one request. What holds for all of them is done once, around them: the form of the answer is checked, and what it
//! cost is worked out.

mod error;
mod estimate;
mod host;
mod openai;
pub mod pace;
mod price;
mod recorded;
mod script;
mod scripted;
mod shape;

pub use error::ModelError;
pub use host::HostModels;
pub use price::Price;
