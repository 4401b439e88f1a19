//! Tools that change files: an exact replacement, and a whole file.

use longhaul_sdk::{ToolError, Tools};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Bench;

/// The most bytes that are written at once.
const MAX_WRITTEN: usize = 1 << 20;

/// Replaces a piece of a text file. The piece has to be there exactly once, white space included.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The path, relative to the root
    pub path: String,
    /// The piece as it is now, with enough around it to be there only once
    pub old: String,
    /// What it becomes
    pub new: String,
}

/// Writes a whole text file: a new one, or in place of the one that is there.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteFile {
    /// The path, relative to the root; folders that are not there are made
    pub path: String,
    /// The whole content
    pub content: String,
}

/// Both of them.
#[must_use]
pub fn tools(tools: Tools<Bench>) -> Tools<Bench> {
    tools.with("edit", edit).with("write_file", write_file)
}

/// Replaces a piece of a file.
///
/// # Errors
/// The piece is not there, or more than once; the reason tells where.
pub fn edit(bench: &mut Bench, arguments: Edit) -> Result<String, ToolError> {
    let Edit { path, mut old, mut new } = arguments;
    let path = bench.path(&path)?;
    if old.is_empty() {
        return Err("`old` is empty; to write a whole file use `write_file`".into());
    }
    if old == new {
        return Err("`old` and `new` are the same, so nothing would change".into());
    }
    let text = bench.text(&path)?;
    if text.contains("\r\n") && !old.contains('\r') {
        // Nobody shows a model the ends of lines.
        (old, new) = (old.replace('\n', "\r\n"), new.replace('\n', "\r\n"));
    }
    let places: Vec<usize> = text.match_indices(&old).map(|(at, _)| at).collect();
    let [at] = places.as_slice() else {
        return Err(unclear(&path, &text, &old, &places).into());
    };
    let changed = format!("{}{new}{}", &text[..*at], &text[at + old.len()..]);
    bench.write(&path, &changed)?;
    let first = line_of(&text, *at);
    Ok(format!("{path} is changed in line {first}: {} lines became {}", old.lines().count(), new.lines().count()))
}

/// Writes a whole file.
///
/// # Errors
/// It is too long, or may not be written.
pub fn write_file(bench: &mut Bench, arguments: WriteFile) -> Result<String, ToolError> {
    let path = bench.path(&arguments.path)?;
    let content = arguments.content;
    if content.len() > MAX_WRITTEN {
        return Err(format!("the content has {} bytes, more than {MAX_WRITTEN}", content.len()).into());
    }
    let there = bench.root().join(&path).exists();
    bench.write(&path, &content)?;
    let done = if there { "is written anew" } else { "is made" };
    Ok(format!("{path} {done}: {} lines", content.lines().count()))
}

/// Why a piece does not name one place.
fn unclear(path: &str, text: &str, old: &str, places: &[usize]) -> String {
    if !places.is_empty() {
        let lines: Vec<String> = places.iter().take(10).map(|at| line_of(text, *at).to_string()).collect();
        return format!(
            "`old` is in {path} {} times, in lines {}; write more of what is around the one that you mean",
            places.len(),
            lines.join(", ")
        );
    }
    let similar = match similar_line(text, old) {
        Some(line) => {
            format!("; with other white space something like it begins in line {line}: read it again and copy it")
        }
        None => "; read the file again and copy the piece as it is".to_owned(),
    };
    format!("`old` is not in {path}{similar}")
}

/// The line where the piece would be if white space did not count.
fn similar_line(text: &str, old: &str) -> Option<usize> {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted: Vec<String> = old.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let lines: Vec<(usize, String)> =
        text.lines().map(plain).enumerate().filter(|(_, line)| !line.is_empty()).collect();
    let fits = |window: &&[(usize, String)]| window.iter().map(|(_, line)| line).eq(wanted.iter());
    let found = lines.windows(wanted.len().max(1)).find(fits)?;
    found.first().map(|(number, _)| number + 1)
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(content: &str, old: &str, new: &str) -> Result<String, String> {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.rs"), content).unwrap();
        let mut bench = Bench::at(root.path());
        let arguments = Edit { path: "a.rs".into(), old: old.into(), new: new.into() };
        let after = || std::fs::read_to_string(root.path().join("a.rs")).unwrap();
        match edit(&mut bench, arguments) {
            Ok(_) => Ok(after()),
            Err(ToolError::Refused(reason)) => {
                assert_eq!(after(), content, "a refused edit changes nothing");
                Err(reason)
            }
            Err(ToolError::Ends(failure)) => panic!("{failure}"),
        }
    }

    #[test]
    fn a_piece_that_is_there_once_is_replaced() {
        assert_eq!(edited("a\nb\nc\n", "b\nc", "x").unwrap(), "a\nx\n");
        assert_eq!(edited("a\r\nb\r\nc\r\n", "b\nc", "x\ny").unwrap(), "a\r\nx\r\ny\r\n");
        assert_eq!(edited("a b", " b", "").unwrap(), "a");
    }

    #[test]
    fn a_piece_that_names_no_one_place_is_refused_with_where_to_look() {
        assert!(edited("x\ny\nx\n", "x", "z").unwrap_err().contains("2 times, in lines 1, 3"));
        assert!(edited("fn a() {\n    b();\n}\n", "fn a() {\n  b();", "").unwrap_err().contains("begins in line 1"));
        assert!(edited("a\n", "q", "z").unwrap_err().contains("copy the piece"));
        assert!(edited("a\n", "", "z").unwrap_err().contains("`write_file`"));
        assert!(edited("a\n", "a", "a").unwrap_err().contains("the same"));
    }

    #[test]
    fn a_file_is_written_with_its_folders_and_within_bounds() {
        let root = tempfile::tempdir().unwrap();
        let mut bench = Bench::at(root.path());
        let write = |bench: &mut Bench, path: &str, content: String| {
            write_file(bench, WriteFile { path: path.into(), content })
        };
        assert_eq!(write(&mut bench, "src/deep/a.rs", "a\nb\n".into()).unwrap(), "src/deep/a.rs is made: 2 lines");
        assert!(write(&mut bench, "src/deep/a.rs", "c".into()).unwrap().contains("written anew"));
        assert_eq!(bench.changed(), ["src/deep/a.rs"]);
        assert!(write(&mut bench, "b", "x".repeat(MAX_WRITTEN + 1)).is_err());
        assert!(write(&mut bench, "../b", String::new()).is_err());
    }
}
