//! File patterns: what they cover, and which folders lead to it.

use super::PatternError;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Whether the folder `path` lies on the way to what `pattern` names: each of its components fits the component of the
/// pattern at its place, up to the first `**`.
pub(super) fn leads_to(path: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('/');
    for component in path.split('/') {
        match parts.next() {
            None => return false,
            Some("**") => return true,
            Some(part) => {
                let fits = GlobBuilder::new(part).literal_separator(true).build();
                if !fits.is_ok_and(|glob| glob.compile_matcher().is_match(component)) {
                    return false;
                }
            }
        }
    }
    parts.next().is_some()
}

/// Compiles file patterns: `*` and `?` within a component, `**` across, `{a,b}`, `[a-z]`; relative to the root, matched
/// against the whole path. `dir/**` covers the folder `dir` itself too.
///
/// # Errors
/// [`PatternError`] for a pattern that is absolute, has `..`, or does not parse.
pub fn patterns(list: &[String]) -> Result<GlobSet, PatternError> {
    let mut set = GlobSetBuilder::new();
    let error = |pattern: &str, reason: String| PatternError { pattern: pattern.to_owned(), reason };
    for pattern in list {
        if pattern.starts_with('/') || pattern.split('/').any(|part| part == ".." || part == ".") || pattern.is_empty()
        {
            return Err(error(pattern, "it must be relative to the workspace's root, without `.` and `..`".into()));
        }
        let folder = pattern.strip_suffix("/**").filter(|folder| !folder.is_empty());
        for text in [Some(pattern.as_str()), folder].into_iter().flatten() {
            let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
            set.add(glob.map_err(|e| error(pattern, e.kind().to_string()))?);
        }
    }
    set.build().map_err(|e| error(&list.join(", "), e.kind().to_string()))
}
