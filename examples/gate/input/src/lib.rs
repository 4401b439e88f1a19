//! A ledger of small amounts.

mod amount;
mod book;

pub use amount::Amount;
pub use book::Book;
