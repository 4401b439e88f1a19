//! Where the signing key lies, and which keys held when.

mod folder;
mod ring;

pub use folder::{KeyError, KeyFolder, Random};
pub use ring::{KeyRing, RingError, Rotation, Standing};
