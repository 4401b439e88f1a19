//! Which files a task works on: the input that agents over files have in common.
//!
//! A task names files (`files`), names them by glob (`glob`), or is handed a [`Chunk`] of a plan. A [`Part`] is a
//! file or, where a planner had to split one, a range of its lines.

use std::{ops::Range, path::Path};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Failure,
    files::{Globs, Unreadable, walk_in},
};

/// The input of an agent that works on files. At most one of `chunk`, `files` and `glob` is given; with none of them
/// the agent works on every file that its rules name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// A chunk of a plan.
    #[serde(default)]
    pub chunk: Option<Chunk>,
    /// Files, or ranges of their lines.
    #[serde(default)]
    pub files: Option<Vec<Part>>,
    /// Globs that name the files.
    #[serde(default, alias = "globs")]
    pub glob: Option<Globs>,
}

/// A chunk of a plan, as far as an agent that works on it needs to know: other fields are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Chunk {
    /// Its files, or ranges of their lines.
    pub files: Vec<Part>,
}

/// A file, or a range of its lines. In JSON it is a path, or `{"path": …, "lines": [first, last], "of": lines}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The file.
    pub path: String,
    /// The lines; all of them where none are given.
    pub lines: Option<Lines>,
}

/// A range of a file's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lines {
    /// The first line; 1 is the file's first.
    pub first: u64,
    /// The last line.
    pub last: u64,
    /// How many lines the file had when the range was chosen. Where it has another number now, the range would point at
    /// other text, so that the part stands for the whole file then.
    pub of: Option<u64>,
}

impl Selection {
    /// The parts to work on, below `root`, sorted as given or by path; and the folders that could not be listed.
    /// `usual` is what to work on where the task names nothing.
    ///
    /// # Errors
    /// More than one way to name files was used, or a path leads out of the task's files.
    pub fn resolve(&self, root: &Path, usual: &Globs) -> Result<(Vec<Part>, Vec<Unreadable>), Failure> {
        let named = match (&self.chunk, &self.files, &self.glob) {
            (Some(chunk), None, None) => Ok(&chunk.files),
            (None, Some(files), None) => Ok(files),
            (None, None, Some(globs)) => Err(globs),
            (None, None, None) => Err(usual),
            _ => return Err(Failure::invalid_input("input: give only one of `chunk`, `files` and `glob`")),
        };
        match named {
            Ok(parts) => {
                let parts = parts.iter().map(Part::checked).collect::<Result<_, _>>()?;
                Ok((parts, Vec::new()))
            }
            Err(globs) => {
                let listing = walk_in(root, globs);
                Ok((listing.files.into_iter().map(Part::whole).collect(), listing.unreadable))
            }
        }
    }
}

impl Part {
    /// A whole file.
    pub fn whole(path: impl Into<String>) -> Self {
        Self { path: path.into(), lines: None }
    }

    /// The same with the path in its plain form.
    fn checked(&self) -> Result<Self, Failure> {
        let path = self.path.strip_prefix("./").unwrap_or(&self.path);
        if path.is_empty() || path.starts_with('/') || path.split('/').any(|name| name == ".." || name.is_empty()) {
            return Err(Failure::invalid_input(format!(
                "input: `{}` is no path of a file among the task's files; write it relative to their root",
                self.path
            )));
        }
        Ok(Self { path: path.to_owned(), lines: self.lines })
    }

    /// Where the part is in the file's content: its bytes, and the number of its first line.
    pub fn place(&self, content: &[u8]) -> (Range<usize>, u64) {
        let all = (0..content.len(), 1);
        let Some(lines) = self.lines else { return all };
        if lines.of.is_some_and(|of| of != count_lines(content)) {
            return all;
        }
        let start = line_start(content, lines.first.max(1));
        let end = line_start(content, lines.last.saturating_add(1)).max(start);
        (start..end, lines.first.max(1))
    }
}

/// How many lines content has; a last line without an end counts.
pub(crate) fn count_lines(content: &[u8]) -> u64 {
    let ends = content.iter().filter(|byte| **byte == b'\n').count() as u64;
    ends + u64::from(content.last().is_some_and(|last| *last != b'\n'))
}

/// Where this line starts; the end of the content where there is no such line.
fn line_start(content: &[u8], line: u64) -> usize {
    if line <= 1 {
        return 0;
    }
    let mut ends = content.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let end = usize::try_from(line - 2).ok().and_then(|skip| ends.nth(skip));
    end.map_or(content.len(), |(index, _)| index + 1)
}

#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a path, or an object of `path`, `lines` and `of`")]
enum Form {
    Path(String),
    Range(RangeForm),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RangeForm {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lines: Option<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Form::deserialize(deserializer)? {
            Form::Path(path) => Self::whole(path),
            Form::Range(range) => {
                let lines = range.lines.map(|(first, last)| Lines { first, last, of: range.of });
                Self { path: range.path, lines }
            }
        })
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let path = self.path.clone();
        let form = match self.lines {
            None => Form::Path(path),
            Some(lines) => Form::Range(RangeForm { path, lines: Some((lines.first, lines.last)), of: lines.of }),
        };
        form.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(json: &str) -> Selection {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_chunk_of_a_plan_is_taken_as_it_is() {
        let json = r#"{"chunk":{"id":3,"needs":[1],"files":["./a.rs",{"path":"b.rs","lines":[2,3],"of":4}]}}"#;
        let (parts, _) = selection(json).resolve(Path::new("/nowhere"), &Globs::all()).unwrap();
        let lines = Some(Lines { first: 2, last: 3, of: Some(4) });
        assert_eq!(parts, [Part::whole("a.rs"), Part { path: "b.rs".into(), lines }]);
        assert_eq!(serde_json::to_string(&parts).unwrap(), r#"["a.rs",{"path":"b.rs","lines":[2,3],"of":4}]"#);
    }

    #[test]
    fn two_ways_to_name_files_and_paths_that_lead_out_are_refused() {
        for json in [
            r#"{"files":["a"],"glob":"*"}"#,
            r#"{"files":["../a"]}"#,
            r#"{"files":["/etc/passwd"]}"#,
            r#"{"files":["a//b"]}"#,
            r#"{"files":[""]}"#,
        ] {
            let failure = selection(json).resolve(Path::new("/nowhere"), &Globs::all()).unwrap_err();
            assert_eq!(failure.kind, crate::FailureKind::InvalidInput, "{json}");
        }
    }

    #[test]
    fn a_range_covers_its_lines_until_the_file_has_another_length() {
        let part: Part = serde_json::from_str(r#"{"path":"a","lines":[2,3],"of":4}"#).unwrap();
        let content = b"one\ntwo\nthree\nfour";
        let (range, first) = part.place(content);
        assert_eq!((&content[range], first), (&b"two\nthree\n"[..], 2));
        let grown = b"zero\none\ntwo\nthree\nfour";
        assert_eq!(part.place(grown), (0..grown.len(), 1));
    }

    #[test]
    fn a_range_past_the_end_is_empty_or_cut() {
        let at = |first, last| Part { path: "a".into(), lines: Some(Lines { first, last, of: None }) };
        let content = b"one\ntwo\n";
        assert_eq!(at(2, u64::MAX).place(content).0, 4..8);
        assert_eq!(at(9, 10).place(content).0, 8..8);
        assert_eq!(at(2, 1).place(content).0, 4..4);
        assert_eq!(at(0, 1).place(b"").0, 0..0);
    }
}
