//! Log lines. They are recorded and shown to the operator; nothing parses them.
//!
//! Say what an operator wants to read next morning at [`info`]; detail for yourself at [`debug`]. The host cuts a
//! line that is too long (8 KiB by default).

use crate::{bindings::agent::longhaul::plugin::logging::Level, host::tell};

/// Every step; kept in the debug log only.
pub fn trace(message: impl AsRef<str>) {
    write(Level::Trace, message.as_ref());
}

/// Detail for the plugin's author; kept in the debug log only.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref());
}

/// What an operator wants to read next morning.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref());
}

/// Something is odd, and the work goes on.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref());
}

/// Something failed.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref());
}

fn write(level: Level, message: &str) {
    tell!(logging::log(level, message));
}
