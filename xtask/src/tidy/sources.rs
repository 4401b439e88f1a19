//! [`Source`]: the text files of the repository, as the rules see them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::tidy::code;

/// Endings of files whose text is checked; a file without ending (a script) is checked as well.
const ENDINGS: [&str; 8] = ["rs", "toml", "md", "yaml", "yml", "wit", "sh", "json"];

/// Folders that hold nothing written by people.
const PASSED_OVER: [&str; 4] = ["target", ".git", ".longhaul", "node_modules"];

/// A text file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root folder, with `/` between its parts.
    pub(crate) path: String,
    /// The text as it is.
    pub(crate) text: String,
    /// The lines with comments and the insides of literals blanked out; empty for other languages.
    pub(crate) code: Vec<String>,
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path} could not be read")]
pub(crate) struct SourcesError {
    path: PathBuf,
    source: io::Error,
}

impl Source {
    /// A file with its text.
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Source {
        let (path, text) = (path.into(), text.into());
        let code = if path.ends_with(".rs") { code::without_comments_and_literals(&text) } else { Vec::new() };
        Source { path, text, code }
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// How many lines stand before the unit tests.
    pub(crate) fn lines_before_tests(&self) -> usize {
        let tests = self.code.iter().position(|line| line.trim_start().starts_with("#[cfg(test)]"));
        tests.unwrap_or(self.code.len())
    }
}

/// All text files below a folder, in a stable order.
pub(crate) fn below(root: &Path) -> Result<Vec<Source>, SourcesError> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let failed = |source| SourcesError { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() && !PASSED_OVER.contains(&name.as_str()) {
                folders.push(path);
            } else if kind.is_file() && is_text(&name) {
                let text = fs::read_to_string(&path).map_err(|source| SourcesError { path: path.clone(), source })?;
                let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                found.push(Source::new(relative, text));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn is_text(name: &str) -> bool {
    match Path::new(name).extension() {
        Some(ending) => ENDINGS.iter().any(|known| ending == *known),
        None => name == "run",
    }
}
