//! Commands in an OS sandbox.
