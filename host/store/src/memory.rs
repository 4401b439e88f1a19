//! Memory: what the entries of journals make of it, in tables beside them.
//!
//! The writer derives memory from the entries, in the transaction that writes them, so the two cannot disagree: nothing but an
//! entry changes memory, and a crash takes both or neither.
//!
//! ```text
//!   spaces        one row for each run, task or workflow that remembers something: how many keys, how many bytes
//!   memories      a row for each value, with the entry that wrote it and the one that ended it; of those that were ended,
//!                 only what a kept checkpoint may need
//!   memory_words  an index of the words of those that have not ended, each word with the number of its space
//! ```
//!
//! A run that goes back has the rows again that its checkpoint had. What a workflow remembers has no past: it is never taken
//! back, and a fork does not write it once more.
//!
//! Rows carry sums, and spaces know what they hold: before a process reads a space for the first time all of it is checked. The
//! index of words is held against the rows that it leads to, so that damage there can hide a memory from a search and never
//! shows a wrong one.

mod change;
mod read;
mod row;
mod words;
mod write;

pub(crate) use change::Change;
pub use read::MemoryReader;
pub(crate) use write::MemoryWriter;
