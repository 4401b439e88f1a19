//! The sections of a report, a file for each.

pub(super) mod attention;
pub(super) mod changes;
pub(super) mod costs;
pub(super) mod graph;
pub(super) mod head;
pub(super) mod incidents;
pub(super) mod tasks;
pub(super) mod timeline;
mod work;
