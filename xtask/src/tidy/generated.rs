//! Files that a program writes: they are in step with what they are made from.

use std::fs;
use std::io;

use crate::house::House;
use crate::process::ProcessError;
use crate::tidy::{Finding, Mode};

/// Makes the text of a file.
pub(crate) type Generator = fn(&House) -> Result<String, ProcessError>;

/// The generated files, each with what makes it. A further one is one line here.
pub(crate) const FILES: &[(&str, Generator)] = &[];

/// Why a generated file could not be checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GeneratedError {
    #[error("the text of {path} could not be made")]
    Generate { path: String, source: ProcessError },
    #[error("{path} could not be written")]
    Write { path: String, source: io::Error },
}

/// Compares each file with what its generator makes, or writes it.
pub(crate) fn check(house: &House, files: &[(&str, Generator)], mode: Mode) -> Result<Vec<Finding>, GeneratedError> {
    let mut findings = Vec::new();
    for (path, generate) in files {
        let wanted = generate(house).map_err(|source| GeneratedError::Generate { path: (*path).to_owned(), source })?;
        let file = house.root.join(path);
        let present = fs::read_to_string(&file).unwrap_or_default();
        match mode {
            _ if present == wanted => {}
            Mode::Write => {
                let write = fs::write(&file, wanted);
                write.map_err(|source| GeneratedError::Write { path: (*path).to_owned(), source })?;
            }
            Mode::Check => {
                let differs = |(one, other): (&str, &str)| one != other;
                let line = present.lines().zip(wanted.lines()).position(differs).map_or(1, |index| index + 1);
                let what = "the file is not what its generator makes";
                findings.push(Finding::new(*path, line, what, "run `cargo xtask tidy --write`"));
            }
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_is_found_and_written() {
        let root = std::env::temp_dir().join(format!("xtask-generated-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("help.md"), "one\nold\n").unwrap();
        let mut house = House::find();
        house.root = root.clone();
        let files: [(&str, Generator); 1] = [("help.md", |_| Ok("one\nnew\n".to_owned()))];
        let found = check(&house, &files, Mode::Check).unwrap();
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
        assert_eq!(check(&house, &files, Mode::Write).unwrap(), []);
        assert_eq!(check(&house, &files, Mode::Check).unwrap(), []);
        fs::remove_dir_all(&root).unwrap();
    }
}
