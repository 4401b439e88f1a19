//! The plugins that the binary carries inside, so that one file is a working installation.

/// Name and component of each, sorted by name.
pub(crate) static BUNDLED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// The component of a bundled plugin.
pub(crate) fn bundled(name: &str) -> Option<&'static [u8]> {
    BUNDLED.iter().find(|(n, _)| *n == name).map(|(_, component)| *component)
}

/// The names of all, for messages.
pub(crate) fn names() -> String {
    if BUNDLED.is_empty() {
        return "this binary was built without bundled plugins; build it with `cargo xtask build`".to_owned();
    }
    BUNDLED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
