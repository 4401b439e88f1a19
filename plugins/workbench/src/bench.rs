//! The folder that a model works on, what was changed there, and what was run.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use longhaul_sdk::{
    ToolError,
    files::{self, Globs},
};
use serde::{Deserialize, Serialize};

/// The most bytes of a file that tools look into.
pub(crate) const MAX_FILE: u64 = 2 << 20;

/// How many commands are remembered for the report.
const MAX_RAN: usize = 200;

/// A folder, and what was done to it. It is plain data, so it goes along when an agent goes on as new.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    root: PathBuf,
    /// Of each file that was written, what it was before: a hash of its content, none where there was no file.
    before: BTreeMap<String, Option<u64>>,
    /// The commands that were run, the first ones and the newest.
    pub ran: Vec<Ran>,
    /// The files that may be written, as globs; what the grant allows where none are given.
    writable: Vec<String>,
}

/// A command that was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// How it ended: `exit 0`, `signal 9`, `timed out`.
    pub ended: String,
}

impl Bench {
    /// The files of a task.
    pub fn new() -> Self {
        Self::at(".")
    }

    /// The files below this folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), ..Self::default() }
    }

    /// The same, where only the files may be written that these globs name.
    #[must_use]
    pub fn writing_only(self, globs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { writable: globs.into_iter().map(Into::into).collect(), ..self }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The files whose content is another one than before, sorted.
    pub fn changed(&self) -> Vec<String> {
        let now = |path: &str| files::read(self.root.join(path)).ok().map(|content| hash(&content));
        self.before.iter().filter(|(path, before)| now(path) != **before).map(|(path, _)| path.clone()).collect()
    }

    /// Remembers a command.
    pub fn note(&mut self, argv: &[String], ended: String) {
        if self.ran.len() == MAX_RAN {
            self.ran.remove(MAX_RAN / 2);
        }
        self.ran.push(Ran { argv: argv.to_vec(), ended });
    }

    /// A path that a model wrote, in its plain form: relative, below the root.
    pub(crate) fn path(&self, path: &str) -> Result<String, ToolError> {
        let plain: Vec<&str> = path.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
        if plain.is_empty() || plain.contains(&"..") {
            return Err(
                format!("`{path}` is no path of a file here; write it relative to the root, without `..`").into()
            );
        }
        Ok(plain.join("/"))
    }

    /// The text of a file, by its plain path.
    pub(crate) fn text(&self, path: &str) -> Result<String, ToolError> {
        let content = match files::read_up_to(self.root.join(path), MAX_FILE) {
            Ok(Ok(content)) => content,
            Ok(Err(size)) => return Err(format!("{path} has {size} bytes, more than the {MAX_FILE} of a tool").into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(format!("there is no file {path}; `list_files` tells which there are").into());
            }
            Err(error) if error.kind() == ErrorKind::IsADirectory => {
                return Err(
                    format!("{path} is a folder; `list_files` with the glob `{path}/**` tells what is in it").into()
                );
            }
            Err(error) => return Err(format!("{path}: {}", error.kind()).into()),
        };
        match String::from_utf8(content) {
            Ok(text) if !files::is_binary(text.as_bytes()) => Ok(text),
            _ => Err(format!("{path} is no text").into()),
        }
    }

    /// Writes a file by its plain path, with the folders above it.
    pub(crate) fn write(&mut self, path: &str, content: &str) -> Result<(), ToolError> {
        let named = Globs::new(self.writable.iter().cloned()).is_ok_and(|globs| globs.matches(path));
        if !self.writable.is_empty() && !named {
            return Err(format!("{path} is not yours to write; what is: {}", self.writable.join(", ")).into());
        }
        let place = self.root.join(path);
        if !self.before.contains_key(path) {
            let before = match files::read(&place) {
                Ok(content) => Some(hash(&content)),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(format!("{path}: {}", error.kind()).into()),
            };
            self.before.insert(path.to_owned(), before);
        }
        // A folder that is there may be one that the grant does not let anybody make.
        let folder = place.parent().filter(|folder| !folder.is_dir());
        let written = folder.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| files::write(&place, content));
        written.map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => ToolError::from(format!("{path} may not be written: it is not granted")),
            kind => ToolError::from(format!("{path} was not written: {kind}")),
        })
    }
}

fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_model_stay_below_the_root() {
        let bench = Bench::at("/work");
        for (path, plain) in [("src/a.rs", "src/a.rs"), ("./src//a.rs", "src/a.rs"), ("/src/a.rs", "src/a.rs")] {
            assert_eq!(bench.path(path).unwrap(), plain);
        }
        for path in ["", "/", ".", "../a", "src/../../a"] {
            assert!(bench.path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_file_that_is_again_what_it_was_has_not_changed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a"), "1").unwrap();
        let mut bench = Bench::at(root.path());
        bench.write("a", "2").unwrap();
        bench.write("new/deep/b", "x").unwrap();
        assert_eq!(bench.changed(), ["a", "new/deep/b"]);
        bench.write("a", "1").unwrap();
        assert_eq!(bench.changed(), ["new/deep/b"]);
        let json = serde_json::to_string(&bench).unwrap();
        assert_eq!(serde_json::from_str::<Bench>(&json).unwrap(), bench);
    }

    #[test]
    fn what_is_not_its_to_write_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let mut bench = Bench::at(root.path()).writing_only(["docs/**", "README.md"]);
        bench.write("docs/a.md", "x").unwrap();
        let refused = bench.write("src/a.rs", "x").unwrap_err();
        assert!(matches!(refused, ToolError::Refused(why) if why.contains("docs/**, README.md")));
        assert_eq!(bench.changed(), ["docs/a.md"]);
    }

    #[test]
    fn the_report_of_commands_is_bounded_and_keeps_both_ends() {
        let mut bench = Bench::new();
        for number in 0..1_000 {
            bench.note(&[number.to_string()], "exit 0".into());
        }
        assert_eq!((bench.ran.len(), bench.ran[0].argv[0].as_str()), (MAX_RAN, "0"));
        assert_eq!(bench.ran[MAX_RAN - 1].argv, ["999"]);
    }
}
