//! Which names are part of a version and which are not.
//!
//! Left out are the host's and git's own folders ([`is_reserved`]), what `.gitignore` files say, declared caches and what
//! the operator adds. A `.gitignore` above the workspace's root is out of sight and has no say.

use crate::import::ImportError;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::sync::Arc;

/// The name of the files with rules.
pub const IGNORE_FILE: &str = ".gitignore";

/// Whether `name` belongs to the host or to git: never part of a version, never made in a stage, never touched by an
/// apply. Compared without case, for disks that do not tell `.GIT` from `.git`.
pub fn is_reserved(name: &str) -> bool {
    name.eq_ignore_ascii_case(".longhaul") || name.eq_ignore_ascii_case(".git")
}

/// Checks a pattern of the operator's, which is in the language of `.gitignore`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_ignored(pattern: &str) -> Result<(), String> {
    GitignoreBuilder::new("").add_line(None, pattern).map(drop).map_err(|error| error.to_string())
}

/// The rules that hold in one folder: its own and those of the folders around it.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// What the operator said; it wins over every file.
    declared: Arc<Gitignore>,
    /// Each with the number of bytes of path that lead to its folder, outermost first.
    files: Vec<(usize, Arc<Gitignore>)>,
}

impl Rules {
    /// The rules that hold at the root. `patterns` are in the language of `.gitignore`; `caches` are names or paths of
    /// folders.
    pub(crate) fn new(patterns: &[String], caches: &[String]) -> Result<Self, ImportError> {
        let mut builder = GitignoreBuilder::new("");
        let caches = caches.iter().map(|cache| format!("{}/", cache.trim_end_matches('/')));
        for pattern in caches.chain(patterns.iter().cloned()) {
            builder
                .add_line(None, &pattern)
                .map_err(|source| ImportError::Pattern { pattern, reason: source.to_string() })?;
        }
        let declared = builder
            .build()
            .map_err(|source| ImportError::Pattern { pattern: patterns.join(", "), reason: source.to_string() })?;
        Ok(Self { declared: Arc::new(declared), files: Vec::new() })
    }

    /// The rules that hold in `folder`, whose own file says `text`. Lines that are no patterns are passed over, as git does.
    pub(crate) fn within(&self, folder: &str, text: &str) -> Self {
        let mut builder = GitignoreBuilder::new("");
        for line in text.lines() {
            let _ = builder.add_line(None, line);
        }
        let mut rules = self.clone();
        if let Ok(file) = builder.build() {
            let prefix = if folder.is_empty() { 0 } else { folder.len() + 1 };
            rules.files.push((prefix, Arc::new(file)));
        }
        rules
    }

    /// Whether `path`, which lies in the folder that these rules hold in, is left out.
    pub(crate) fn ignores(&self, path: &str, is_folder: bool) -> bool {
        let verdict = |found: Match<_>| match found {
            Match::None => None,
            Match::Ignore(_) => Some(true),
            Match::Whitelist(_) => Some(false),
        };
        verdict(self.declared.matched(path, is_folder).map(|_| ()))
            .or_else(|| {
                let mut files = self.files.iter().rev();
                files.find_map(|(prefix, file)| verdict(file.matched(path.get(*prefix..)?, is_folder).map(|_| ())))
            })
            .unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_file_decides_and_the_operator_has_the_last_word() {
        let rules = Rules::new(&["*.secret".into()], &["target".into()]).unwrap();
        let root = rules.within("", "*.log\n/only-here\nbuild/\n");
        let inner = root.within("a/b", "!keep.log\n/top\n!x.secret\n");
        for (path, folder, expected) in [
            ("x.log", false, true),
            ("a/b/x.log", false, true),
            ("a/b/keep.log", false, false),
            ("a/b/top", false, true),
            ("a/b/c/top", false, false),
            ("a/b/only-here", false, false),
            ("a/b/build", true, true),
            ("a/b/build", false, false),
            ("a/b/target", true, true),
            ("a/b/x.secret", false, true),
            ("a/b/main.rs", false, false),
        ] {
            assert_eq!(inner.ignores(path, folder), expected, "{path}");
        }
        assert!(root.ignores("only-here", false));
    }

    #[test]
    fn patterns_are_what_gitignore_takes() {
        for pattern in ["/dist", "*.min.js", "!keep.js", "build/", "a/**/b", "[a-z].txt", "# nothing", "", "../x"] {
            assert_eq!(check_ignored(pattern), Ok(()), "{pattern}");
        }
        assert!(check_ignored("[z-a]").is_err() && check_ignored("{a,b").is_err());
    }

    #[test]
    fn the_hosts_own_names_are_reserved() {
        for name in [".git", ".GIT", ".longhaul"] {
            assert!(is_reserved(name), "{name}");
        }
        assert!(!is_reserved(".gitignore") && !is_reserved("git"));
    }
}
