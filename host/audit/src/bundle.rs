//! Bundles: a run's record in one file, which can be verified without the state folder that it comes from.
//!
//! ```text
//! {"format":"longhaul-bundle","version":1,"run":…,"origin":…,"log":…}     the header
//! {"log-entry":{"at":0,"body":…}} …                                       the log of the heads of all runs
//! {"log-head":{"size":1,"note":…}} …                                      its signed heads
//! {"head":{"size":3,"note":…}} …                                          the run's signed heads
//! {"entry":{"at":0,"body":…}} …                                           the run's entries, as they are stored
//! {"end":{"lines":…, …}}                                                  how many of each there are
//! ```
//!
//! There is one way to write each line. A [`Writer`] writes it, [`Lines`] takes no other, and [`Survey`] looks over a whole bundle: what its header
//! says, what is wrong with its form, and how many lines of each kind it has. Whether the record is the original one is for [`crate::verify`] to say.
//! None of them holds more than one line.

mod line;
mod read;
mod survey;
#[cfg(test)]
mod tests;
mod write;

pub use line::{Counts, End, FORMAT, Header, Kind, Line, MAX_LINE, VERSION};
pub use read::{BundleError, LineProblem, Lines, Read};
pub use survey::{Flaw, Rows, Survey};
pub use write::Writer;
