//! Puts the steps together: from a selection of files to the plan that the agent gives back.

use std::{collections::BTreeSet, path::Path};

use longhaul_sdk::{Failure, Lines, Part, Selection, Span, context, files::Unreadable, log};
use serde::Serialize;

use crate::{
    chunk::{Filled, Item, fill, plus},
    config::Model,
    imports::Scanner,
    measure::{Measure, Piece, Reader},
    order::order,
    resolve::Files,
};

/// How many files lie between two reports of progress.
const PROGRESS_EVERY: usize = 50;

/// The agent's output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The chunks; one comes behind those that it needs.
    pub chunks: Vec<PlannedChunk>,
    /// How many files they hold.
    pub files: u64,
    /// The estimate of all of them together, in seconds.
    pub estimate_seconds: u64,
    /// Files and folders that could not be read, and are in no chunk.
    pub unreadable: Vec<Unreadable>,
}

/// What is worked on in one go.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedChunk {
    /// Its number; 0 is the first.
    pub id: usize,
    /// Its files: a path, or a range of lines of a file that was too much for one chunk.
    pub files: Vec<Part>,
    /// The estimate, like `12m30s`.
    pub estimate: String,
    /// The same in seconds, rounded up.
    pub estimate_seconds: u64,
    /// Chunks with files that these files import.
    pub needs: Vec<usize>,
    /// Set where a single line is more than a chunk, so that the estimate is over the length.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oversize: bool,
}

/// A file as the plan needs it: read and forgotten.
struct File {
    lines: u64,
    pieces: Vec<Piece>,
    rate: u64,
    needs: Vec<usize>,
}

/// Plans the selected files below `root`.
///
/// # Errors
/// The selection makes no sense, or a file that the task names could not be read.
pub fn plan(root: &Path, model: &Model, selection: &Selection) -> Result<Plan, Failure> {
    let (parts, mut unreadable) = selection.resolve(root, &model.globs)?;
    let paths: BTreeSet<_> = parts.into_iter().map(|part| part.path).filter(|path| model.globs.matches(path)).collect();
    let paths: Vec<_> = paths.into_iter().collect();
    if paths.is_empty() {
        log::warn("no file was selected, so the plan is empty");
    }
    let named = selection.files.is_some() || selection.chunk.is_some();
    let files = read(root, model, &paths, |path, reason| match named {
        true => Err(Failure::from(reason)),
        false => {
            unreadable.push(Unreadable { path: path.to_owned(), reason: reason.to_string() });
            Ok(())
        }
    })?;
    for place in &unreadable {
        log::warn(format!("cannot read {}: {}", place.path, place.reason));
    }
    let chunks = fill(groups(model, &files), model.chunk);
    let plan = Plan {
        estimate_seconds: seconds(chunks.iter().fold(Span::default(), |sum, chunk| plus(sum, chunk.cost))),
        files: files.iter().filter(|file| !file.pieces.is_empty()).count() as u64,
        chunks: present(model, &paths, &files, &chunks),
        unreadable,
    };
    log::info(format!("{} files in {} chunks of at most {}", plan.files, plan.chunks.len(), model.chunk));
    Ok(plan)
}

/// Reads each file once. One that cannot be read is told to `failed`, and has no pieces where that lets it pass.
fn read(
    root: &Path,
    model: &Model,
    paths: &[String],
    mut failed: impl FnMut(&str, std::io::Error) -> Result<(), Failure>,
) -> Result<Vec<File>, Failure> {
    let index = Files::new(paths);
    let mut reader = Reader::new();
    let mut files = Vec::with_capacity(paths.len());
    for (done, path) in paths.iter().enumerate() {
        if done % PROGRESS_EVERY == 0 {
            context::progress(done as u64, Some(paths.len() as u64), path);
        }
        let rate = model.rate(path);
        let scanner = model.dependencies.then(|| Scanner::for_path(path)).flatten();
        let measure = match reader.measure(&root.join(path), model.units_in_chunk(rate), scanner) {
            Ok(measure) => measure,
            Err(error) => {
                failed(path, error)?;
                Measure::default()
            }
        };
        let needs = index.resolve(path, &measure.imports);
        files.push(File { lines: measure.lines, pieces: measure.pieces, rate, needs });
    }
    Ok(files)
}

/// The files' pieces, components together, needed ones first.
fn groups<'a>(model: &'a Model, files: &'a [File]) -> impl Iterator<Item = Vec<Item>> + 'a {
    let needs: Vec<_> = files.iter().map(|file| file.needs.clone()).collect();
    order(&needs).into_iter().map(move |component| {
        let items = component.into_iter().flat_map(move |number| {
            let file = &files[number];
            file.pieces.iter().enumerate().map(move |(piece, content)| Item {
                file: number,
                piece,
                cost: model.cost(content.units, file.rate),
            })
        });
        items.collect()
    })
}

/// The chunks as other tasks see them.
fn present(model: &Model, paths: &[String], files: &[File], chunks: &[Filled]) -> Vec<PlannedChunk> {
    let mut homes = vec![Vec::new(); files.len()];
    for (id, chunk) in chunks.iter().enumerate() {
        for item in &chunk.items {
            homes[item.file].push(id);
        }
    }
    let part = |item: &Item| {
        let file = &files[item.file];
        let piece = file.pieces[item.piece];
        let lines = Lines { first: piece.first, last: piece.last, of: Some(file.lines) };
        Part { path: paths[item.file].clone(), lines: (file.pieces.len() > 1).then_some(lines) }
    };
    chunks
        .iter()
        .enumerate()
        .map(|(id, chunk)| {
            let needed = chunk.items.iter().flat_map(|item| &files[item.file].needs).flat_map(|file| &homes[*file]);
            // A cycle that is too much for one chunk is spread over several; the later ones wait for the earlier.
            let needs: BTreeSet<_> = needed.copied().filter(|home| *home < id).collect();
            PlannedChunk {
                id,
                files: chunk.items.iter().map(part).collect(),
                estimate: Span::from_secs(seconds(chunk.cost)).to_string(),
                estimate_seconds: seconds(chunk.cost),
                needs: needs.into_iter().collect(),
                oversize: chunk.cost > model.chunk,
            }
        })
        .collect()
}

fn seconds(span: Span) -> u64 {
    span.as_millis().div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use longhaul_sdk::FailureKind;

    use super::*;

    fn root(files: &[(&str, String)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    fn planned(root: &Path, config: &str, input: &str) -> Plan {
        let model = Model::new(serde_json::from_str(config).unwrap()).unwrap();
        plan(root, &model, &serde_json::from_str(input).unwrap()).unwrap()
    }

    fn paths(chunk: &PlannedChunk) -> Vec<&str> {
        chunk.files.iter().map(|part| part.path.as_str()).collect()
    }

    /// A minute a file of ten lines, two minutes a chunk.
    const CONFIG: &str = r#"{"chunk":"2m","lines_per_minute":10,"per_file":"0s"}"#;

    fn lines(first: &str, count: usize) -> String {
        format!("{first}\n") + &"//\n".repeat(count - 1)
    }

    #[test]
    fn chunks_follow_imports_and_tell_what_they_need() {
        let root = root(&[
            ("src/a.rs", lines("use crate::c::C;", 10)),
            ("src/b.rs", lines("", 10)),
            ("src/c.rs", lines("", 10)),
            ("src/lib.rs", "mod a;\nmod b;\nmod c;\n".to_owned() + &lines("", 7)),
            ("README.md", lines("", 10)),
        ]);
        let plan = planned(root.path(), CONFIG, r#"{"glob":"src/**/*.rs"}"#);
        assert_eq!(paths(&plan.chunks[0]), ["src/b.rs", "src/c.rs"]);
        assert_eq!(paths(&plan.chunks[1]), ["src/a.rs", "src/lib.rs"]);
        assert_eq!((&plan.chunks[0].needs, &plan.chunks[1].needs), (&vec![], &vec![0]));
        assert_eq!((plan.files, plan.estimate_seconds, &*plan.chunks[1].estimate), (4, 240, "2m"));
    }

    #[test]
    fn files_that_import_each_other_share_a_chunk() {
        let root = root(&[("a.py", lines("import z", 10)), ("m.py", lines("", 10)), ("z.py", lines("import a", 10))]);
        let plan = planned(root.path(), CONFIG, "{}");
        assert_eq!((paths(&plan.chunks[0]), paths(&plan.chunks[1])), (vec!["a.py", "z.py"], vec!["m.py"]));
    }

    #[test]
    fn a_file_over_the_length_is_cut_into_ranges_that_cover_it() {
        let root = root(&[("big.txt", lines("", 45))]);
        let plan = planned(root.path(), CONFIG, "{}");
        let json = serde_json::to_value(&plan.chunks).unwrap();
        assert_eq!(json[0]["files"][0], serde_json::json!({ "path": "big.txt", "lines": [1, 20], "of": 45 }));
        assert_eq!(json[1]["files"][0]["lines"], serde_json::json!([21, 40]));
        assert_eq!(json[2]["files"][0]["lines"], serde_json::json!([41, 45]));
        assert!(plan.chunks.iter().all(|chunk| chunk.estimate_seconds <= 120 && !chunk.oversize));
    }

    #[test]
    fn one_line_over_the_length_is_marked() {
        let root = root(&[("min.js", "x".repeat(10_000))]);
        let plan = planned(root.path(), CONFIG, "{}");
        assert!(plan.chunks[0].oversize);
        assert_eq!(plan.chunks[0].estimate, "10m");
    }

    #[test]
    fn a_cycle_over_the_length_is_spread_and_needs_only_look_back() {
        let names: Vec<_> = (0..5).map(|number| format!("f{number}.py")).collect();
        let files: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(number, name)| (name.as_str(), lines(&format!("import f{}", (number + 1) % 5), 10)))
            .collect();
        let plan = planned(root(&files).path(), CONFIG, "{}");
        assert_eq!(plan.chunks.len(), 3);
        assert!(plan.chunks.iter().all(|chunk| chunk.needs.iter().all(|need| *need < chunk.id)));
    }

    #[test]
    fn exclusions_hold_for_named_files_too_and_an_empty_plan_is_a_plan() {
        let root = root(&[("a.txt", lines("", 3))]);
        let config = r#"{"exclude":["*.txt"]}"#;
        for input in ["{}", r#"{"files":["a.txt"]}"#] {
            let plan = planned(root.path(), config, input);
            assert_eq!((plan.files, plan.chunks.len()), (0, 0));
        }
    }

    #[test]
    fn a_named_file_that_is_not_there_fails_the_task() {
        let model = Model::new(Default::default()).unwrap();
        let selection = serde_json::from_str(r#"{"files":["gone.rs"]}"#).unwrap();
        let failure = plan(Path::new("/nowhere"), &model, &selection).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Fatal);
        assert!(failure.message.contains("gone.rs"), "{}", failure.message);
    }
}
