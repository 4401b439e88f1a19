//! Each file opens with `//!`: what it is and why it exists.

use crate::tidy::Finding;
use crate::tidy::sources::Source;

/// Looks at the first line.
pub(crate) fn check(file: &Source) -> Option<Finding> {
    let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let what = first.strip_prefix("//!").map(str::trim);
    what.is_none_or(str::is_empty).then(|| {
        let advice = "begin it with `//!` and say what it is, why it exists, and which types matter";
        Finding::new(&file.path, 1, "the file does not say what it is", advice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_header_is_found() {
        for text in ["use std::fs;\n", "", "//!\n//! late\n", "// not a doc comment\n"] {
            assert!(check(&Source::new("host/core/src/id.rs", text)).is_some(), "{text}");
        }
        assert_eq!(check(&Source::new("host/core/src/id.rs", "//! Ids.\n")), None);
    }
}
