//! Walks the files, rewrites them, writes those that changed, and gathers the report.

use std::path::Path;

use longhaul_sdk::{Failure, Part, Selection, context, files, log};

use crate::{
    report::{Report, Skipped},
    rewrite::rewrite,
    rules::Rules,
};

/// How many files lie between two reports of progress.
const PROGRESS_EVERY: usize = 50;

/// Applies the rules to the selected files below `root`.
///
/// # Errors
/// A file could not be read or written, or a rule is not idempotent. Files before it may be written by then: the
/// host drops what a failed attempt changed.
pub fn apply(root: &Path, rules: &Rules, selection: &Selection) -> Result<Report, Failure> {
    let (parts, unreadable) = selection.resolve(root, &rules.globs)?;
    for folder in &unreadable {
        log::warn(format!("cannot list {}: {}", folder.path, folder.reason));
    }
    let mut report = Report { unreadable, ..Report::default() };
    let total = parts.len();
    for (done, part) in parts.iter().enumerate() {
        if done % PROGRESS_EVERY == 0 {
            context::progress(done as u64, Some(total as u64), &part.path);
        }
        if rules.globs.matches(&part.path) {
            apply_to(root, rules, part, &mut report)?;
        }
    }
    context::progress(total as u64, Some(total as u64), "");
    log::info(format!(
        "{} replacements in {} of {} files",
        report.replacements, report.changed_files, report.scanned_files
    ));
    Ok(report)
}

fn apply_to(root: &Path, rules: &Rules, part: &Part, report: &mut Report) -> Result<(), Failure> {
    let path = root.join(&part.path);
    let mut skip = |reason: String| report.skipped.push(Skipped { file: part.path.clone(), reason });
    let content = match files::read_up_to(&path, rules.max_file_size)? {
        Ok(content) => content,
        Err(size) => {
            skip(format!("it has {size} bytes, more than `max_file_size` ({})", rules.max_file_size));
            return Ok(());
        }
    };
    report.scanned_files += 1;
    if files::is_binary(&content) {
        skip("it is binary".to_owned());
        return Ok(());
    }
    let (range, first_line) = part.place(&content);
    let room = rules.max_reported.saturating_sub(report.changes.len());
    let Some(rewrite) = rewrite(rules, &part.path, &content[range.clone()], first_line, room)? else {
        return Ok(());
    };
    match range == (0..content.len()) {
        true => files::write(&path, &rewrite.content)?,
        false => {
            files::write(&path, [&content[..range.start], &rewrite.content, &content[range.end..]].concat())?;
        }
    }
    report.changed_files += 1;
    report.replacements += rewrite.replacements;
    report.changes_omitted += rewrite.replacements - rewrite.changes.len() as u64;
    report.changes.extend(rewrite.changes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use longhaul_sdk::FailureKind;

    use super::*;

    fn rules(json: &str) -> Rules {
        Rules::new(serde_json::from_str(json).unwrap()).unwrap()
    }

    fn selection(json: &str) -> Selection {
        serde_json::from_str(json).unwrap()
    }

    const RENAME: &str =
        r#"{"rules":[{"name":"rename","glob":"**/*.txt","literal":"old","replace":"new"}],"exclude":["vendor/**"]}"#;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in [
            ("a.txt", &b"old\r\nold\xff\n"[..]),
            ("b/c.txt", b"nothing here"),
            ("b/d.rs", b"old"),
            ("b/picture.txt", b"old\0old"),
            ("vendor/e.txt", b"old"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn only_what_a_rule_matches_is_written_and_a_second_run_changes_nothing() {
        let root = tree();
        let read = |path: &str| fs::read(root.path().join(path)).unwrap();
        let report = apply(root.path(), &rules(RENAME), &Selection::default()).unwrap();
        assert_eq!(read("a.txt"), b"new\r\nnew\xff\n");
        assert_eq!(
            (read("b/d.rs"), read("vendor/e.txt"), read("b/picture.txt")),
            (b"old".to_vec(), b"old".to_vec(), b"old\0old".to_vec())
        );
        assert_eq!((report.changed_files, report.scanned_files, report.replacements), (1, 3, 2));
        let lines: Vec<_> = report.changes.iter().map(|change| (&*change.file, change.line)).collect();
        assert_eq!(lines, [("a.txt", 1), ("a.txt", 2)]);
        assert_eq!(report.skipped[0].file, "b/picture.txt");

        let again = apply(root.path(), &rules(RENAME), &Selection::default()).unwrap();
        assert_eq!((again.changed_files, again.replacements), (0, 0));
    }

    #[test]
    fn a_part_of_a_file_is_changed_within_its_lines_only() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.txt"), "old\nold\nold\n").unwrap();
        let chunk = selection(r#"{"chunk":{"files":[{"path":"a.txt","lines":[2,2],"of":3}]}}"#);
        let report = apply(root.path(), &rules(RENAME), &chunk).unwrap();
        assert_eq!(fs::read(root.path().join("a.txt")).unwrap(), b"old\nnew\nold\n");
        assert_eq!(report.changes[0].line, 2);
    }

    #[test]
    fn the_list_of_changes_is_bounded_and_the_rest_is_counted() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.txt"), "old ".repeat(1_000)).unwrap();
        let bounded = RENAME.replace("\"exclude\"", "\"max_reported\":3,\"exclude\"");
        let report = apply(root.path(), &rules(&bounded), &Selection::default()).unwrap();
        assert_eq!((report.changes.len(), report.changes_omitted, report.replacements), (3, 997, 1_000));
    }

    #[test]
    fn a_file_that_is_too_large_is_left_alone_and_reported() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.txt"), "old old").unwrap();
        let small = RENAME.replace("\"exclude\"", "\"max_file_size\":4,\"exclude\"");
        let report = apply(root.path(), &rules(&small), &Selection::default()).unwrap();
        assert_eq!((report.replacements, report.skipped.len()), (0, 1));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let failure = apply(root.path(), &rules(RENAME), &selection(r#"{"files":["gone.txt"]}"#)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Fatal);
        assert!(failure.message.contains("gone.txt"), "{}", failure.message);
    }
}
