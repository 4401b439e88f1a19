//! Tools that look: a file, the list of files, a search.

use longhaul_sdk::{
    ToolError, Tools,
    files::{Globs, walk_in},
    pattern::{Options, Pattern, Text},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Bench;

/// The most bytes of a file that are shown at once.
const MAX_SHOWN: usize = 20_000;

/// The most files that a list has.
const MAX_LISTED: usize = 400;

/// The most matches of a search.
const MAX_HITS: usize = 100;

/// The most characters of a line that a search shows.
const MAX_LINE: usize = 200;

/// Reads a text file, or a range of its lines. Line numbers begin with 1.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadFile {
    /// The path, relative to the root
    pub path: String,
    /// The first line to show; the first of the file where none is given
    #[serde(default)]
    pub first_line: Option<usize>,
    /// The last line to show; as many as fit where none is given
    #[serde(default)]
    pub last_line: Option<usize>,
}

/// Lists files, sorted by path.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFiles {
    /// Which files: `*` stays within a name, `**` goes across folders, as in `src/**/*.rs`; all of them where none is given
    #[serde(default)]
    pub glob: Option<String>,
}

/// Searches the files for a regular expression, line by line.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The regular expression, in the syntax of Rust's crate `regex`
    pub regex: String,
    /// Which files, as in `src/**/*.rs`; all of them where none is given
    #[serde(default)]
    pub glob: Option<String>,
    /// Whether upper and lower case are the same
    #[serde(default)]
    pub ignore_case: bool,
}

/// The three of them.
#[must_use]
pub fn tools(tools: Tools<Bench>) -> Tools<Bench> {
    tools.with("read_file", read_file).with("list_files", list_files).with("search", search)
}

/// A file, or a range of its lines.
///
/// # Errors
/// There is no such text, or no such lines.
pub fn read_file(bench: &mut Bench, arguments: ReadFile) -> Result<String, ToolError> {
    let path = bench.path(&arguments.path)?;
    let text = bench.text(&path)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (first, last) = (arguments.first_line.unwrap_or(1).max(1), arguments.last_line.unwrap_or(usize::MAX));
    if lines.is_empty() {
        return Ok(format!("{path} is empty"));
    }
    if first > lines.len() || last < first {
        return Err(format!("{path} has {} lines; {first} to {last} is no range of them", lines.len()).into());
    }
    let (mut shown, mut end) = (String::new(), first - 1);
    for line in lines.iter().take(last).skip(first - 1) {
        if shown.len() + line.len() > MAX_SHOWN && end >= first {
            break;
        }
        shown += line;
        end += 1;
    }
    let more = if end < last.min(lines.len()) { "; ask for the others by `first_line`" } else { "" };
    Ok(format!("{path}, lines {first} to {end} of {}{more}:\n{shown}", lines.len()))
}

/// The paths that a glob names.
///
/// # Errors
/// It is no glob.
pub fn list_files(bench: &mut Bench, arguments: ListFiles) -> Result<String, ToolError> {
    let listing = walk_in(bench.root(), &globs(arguments.glob)?);
    let more = listing.files.len().saturating_sub(MAX_LISTED);
    let mut text = match listing.files.len() {
        0 => "no file has such a path\n".to_owned(),
        _ => listing.files.iter().take(MAX_LISTED).map(|path| format!("{path}\n")).collect(),
    };
    if more > 0 {
        text += &format!("… and {more} more; a narrower glob shows them\n");
    }
    for folder in listing.unreadable.iter().take(10) {
        text += &format!("{} cannot be listed\n", folder.path);
    }
    Ok(text)
}

/// The lines that match.
///
/// # Errors
/// It is no regular expression, or no glob.
pub fn search(bench: &mut Bench, arguments: Search) -> Result<String, ToolError> {
    let options = Options { case_insensitive: arguments.ignore_case, word: false };
    let pattern = Pattern::new(Text::Regex(&arguments.regex), options).map_err(|error| format!("`regex`: {error}"))?;
    let (mut hits, mut files, mut omitted) = (Vec::new(), 0, 0);
    for path in walk_in(bench.root(), &globs(arguments.glob)?).files {
        // What cannot be read as a text has nothing to find.
        let Ok(text) = bench.text(&path) else { continue };
        let before = hits.len() + omitted;
        for (number, line) in text.lines().enumerate() {
            if !pattern.is_match(line.as_bytes()) {
                continue;
            }
            match hits.len() {
                MAX_HITS.. => omitted += 1,
                _ => hits.push(format!("{path}:{}: {}\n", number + 1, line.chars().take(MAX_LINE).collect::<String>())),
            }
        }
        files += usize::from(hits.len() + omitted > before);
    }
    match (hits.len(), omitted) {
        (0, _) => Ok("nothing matches".to_owned()),
        (_, 0) => Ok(format!("{} lines in {files} files:\n{}", hits.len(), hits.concat())),
        (_, omitted) => Ok(format!(
            "{} lines in {files} files, of which {MAX_HITS} are shown; narrow the search for the others:\n{}",
            hits.len() + omitted,
            hits.concat()
        )),
    }
}

fn globs(glob: Option<String>) -> Result<Globs, ToolError> {
    let Some(glob) = glob.filter(|glob| !glob.is_empty()) else { return Ok(Globs::all()) };
    // Models mean the same by a folder and by a path that begins at the root.
    let glob = glob.trim_start_matches("./").trim_start_matches('/');
    let glob = if glob.is_empty() || glob == "." { "**" } else { glob };
    let glob = glob.strip_suffix('/').map_or(glob.to_owned(), |folder| format!("{folder}/**"));
    Globs::new([glob]).map_err(|error| error.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(files: &[(&str, &str)]) -> (tempfile::TempDir, Bench) {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let bench = Bench::at(root.path());
        (root, bench)
    }

    fn read(bench: &mut Bench, path: &str, first_line: Option<usize>, last_line: Option<usize>) -> String {
        match read_file(bench, ReadFile { path: path.into(), first_line, last_line }) {
            Ok(text) => text,
            Err(ToolError::Refused(reason)) => format!("refused: {reason}"),
            Err(ToolError::Ends(failure)) => panic!("{failure}"),
        }
    }

    #[test]
    fn a_file_is_shown_as_it_is_in_portions_that_fit() {
        let long: String = (1..=5_000).map(|number| format!("line {number}\n")).collect();
        let (_root, mut bench) = bench(&[("a.txt", "one\ntwo\nthree"), ("long.txt", &long), ("none", "")]);
        assert_eq!(read(&mut bench, "/a.txt", None, None), "a.txt, lines 1 to 3 of 3:\none\ntwo\nthree");
        assert_eq!(read(&mut bench, "a.txt", Some(2), Some(2)), "a.txt, lines 2 to 2 of 3:\ntwo\n");
        let part = read(&mut bench, "long.txt", None, None);
        assert!(part.len() < MAX_SHOWN + 200 && part.contains("of 5000; ask for the others"), "{}", &part[..100]);
        assert!(read(&mut bench, "long.txt", Some(4_999), None).ends_with("line 4999\nline 5000\n"));
        assert_eq!(read(&mut bench, "none", None, None), "none is empty");
        assert!(read(&mut bench, "a.txt", Some(9), None).contains("has 3 lines"));
        assert!(read(&mut bench, "gone", None, None).contains("`list_files`"));
        assert!(read(&mut bench, "../a.txt", None, None).contains("without `..`"));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let (root, mut bench) = bench(&[("src/a.rs", "x")]);
        std::fs::write(root.path().join("b"), [0xff, 0xfe]).unwrap();
        assert!(read(&mut bench, "b", None, None).contains("is no text"));
        assert!(read(&mut bench, "src", None, None).starts_with("refused: src is a folder"));
    }

    #[test]
    fn lists_and_searches_are_bounded_and_say_so() {
        let files: Vec<(String, String)> =
            (0..500).map(|n| (format!("src/{n:03}.rs"), format!("fn f{n}() {{}}\n"))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
        let (_root, mut bench) = bench(&files);
        let list = list_files(&mut bench, ListFiles { glob: Some("src/".into()) }).unwrap();
        assert!(list.contains("… and 100 more"), "{list}");
        let search = |bench: &mut Bench, regex: &str| {
            search(bench, Search { regex: regex.into(), glob: Some("**/*.rs".into()), ignore_case: true })
        };
        assert!(search(&mut bench, r"FN f\d+").unwrap().starts_with("500 lines in 500 files, of which 100"));
        assert_eq!(search(&mut bench, "f007").unwrap(), "nothing matches");
        assert_eq!(search(&mut bench, r"f7\(").unwrap(), "1 lines in 1 files:\nsrc/007.rs:1: fn f7() {}\n");
        assert!(matches!(search(&mut bench, "("), Err(ToolError::Refused(reason)) if reason.contains("`regex`")));
    }
}
