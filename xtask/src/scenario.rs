//! The demonstrations: each a workflow of `examples/` and a workspace for it, made anew each time.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::demo::{self, SourceTreeError, files_below};
use crate::house::{House, HouseError};

/// Modules of the code base that is refactored.
const MODULES: usize = 300;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Agents modernise a real source tree of somebody else
    Modernise,
    /// Agents refactor 300 modules in parallel, their tests run, and a fault is recovered
    Refactor,
    /// Agents build a feature from requirement to documentation, asking a scripted model
    Feature,
    /// Agents review a change, and a gate decides
    Gate,
    /// A pipeline: tests, documentation that follows the code, a hook
    Ci,
}

/// Where it takes place.
#[derive(Debug)]
pub(crate) struct Stage {
    /// The folder that is worked on.
    pub(crate) workspace: PathBuf,
    /// What it holds, in words.
    pub(crate) what: String,
    /// What it was copied from.
    pub(crate) original: Option<PathBuf>,
}

/// Why it cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScenarioError {
    #[error(transparent)]
    House(#[from] HouseError),
    #[error(transparent)]
    SourceTree(#[from] SourceTreeError),
    #[error("{path} could not be made; check that the disk has room and the target folder is writable")]
    Write { path: PathBuf, source: io::Error },
}

impl Scenario {
    fn name(self) -> &'static str {
        match self {
            Scenario::Modernise => "modernise",
            Scenario::Refactor => "refactor",
            Scenario::Feature => "feature",
            Scenario::Gate => "gate",
            Scenario::Ci => "ci",
        }
    }

    /// Its workflow, relative to the root folder.
    pub(crate) fn workflow(self) -> String {
        format!("examples/{0}/{0}.workflow.yaml", self.name())
    }

    /// Makes its workspace.
    pub(crate) fn prepare(self, house: &House) -> Result<Stage, ScenarioError> {
        let home = house.target.join("demo");
        match self {
            Scenario::Modernise => {
                let tree = demo::largest(&house.metadata(&[])?)?;
                let workspace = home.join(&tree.name);
                demo::copy(&tree.folder, &workspace)?;
                let what = format!("{} ({} files), a code base of somebody else", tree.name, tree.files);
                Ok(Stage { workspace, what, original: Some(tree.folder) })
            }
            Scenario::Refactor => {
                let workspace = home.join(self.name());
                generate(&workspace, MODULES)?;
                let what = format!("a crate of {MODULES} modules, each with a test");
                Ok(Stage { workspace, what, original: None })
            }
            Scenario::Feature | Scenario::Gate | Scenario::Ci => {
                let workspace = home.join(self.name());
                let original = house.root.join("examples").join(self.name()).join("input");
                demo::copy(&original, &workspace)?;
                let write = |source| ScenarioError::Write { path: original.clone(), source };
                let what = format!("a small project of {} files", files_below(&original).map_err(write)?.len());
                Ok(Stage { workspace, what, original: Some(original) })
            }
        }
    }
}

/// Replaces `to` by a crate of `modules` modules in yesterday's Rust, without dependencies.
fn generate(to: &Path, modules: usize) -> Result<(), ScenarioError> {
    let write = |path: &Path, text: &str| {
        let made = fs::create_dir_all(path.parent().unwrap_or(to)).and_then(|()| fs::write(path, text));
        made.map_err(|source| ScenarioError::Write { path: path.to_owned(), source })
    };
    match fs::remove_dir_all(to) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(ScenarioError::Write { path: to.to_owned(), source });
        }
        _ => {}
    }
    // A workspace of its own, although it lies in the target folder of another one.
    let manifest = "[package]\nname = \"large\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n";
    write(&to.join("Cargo.toml"), manifest)?;
    write(&to.join(".gitignore"), "target\n")?;
    let mut root = "//! Many small parsers.\n#![allow(deprecated)]\n\n".to_owned();
    for number in 0..modules {
        writeln!(root, "pub mod field_{number:03};").unwrap_or_default();
        write(&to.join(format!("src/field_{number:03}.rs")), &module(number))?;
    }
    write(&to.join("src/lib.rs"), &root)
}

fn module(number: usize) -> String {
    format!(
        r#"//! Reads the field `f{number}` of a line.

/// The largest value that the field may have.
pub const LARGEST: u32 = std::u32::MAX - {number};

/// The value of `f{number}=VALUE`, blanks around it left out.
pub fn read(line: &str) -> Option<u32> {{
    let rest = line.trim_left().strip_prefix("f{number}=")?;
    let value = rest.trim_right().parse().ok()?;
    (value <= LARGEST).then_some(value)
}}

#[cfg(test)]
mod tests {{
    #[test]
    fn reads_its_field_and_no_other() {{
        assert_eq!(super::read("  f{number}={number} "), Some({number}));
        assert_eq!(super::read("g{number}={number}"), None);
    }}
}}
"#
    )
}
