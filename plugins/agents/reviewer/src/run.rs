//! Walks the files and gathers the findings.

use std::{io::ErrorKind, path::Path};

use longhaul_sdk::{
    Failure, Selection, context,
    files::{self, Unreadable},
    log,
};

use crate::{
    check::{check_content, check_name, needs_content},
    model,
    report::{Report, Skipped},
    rules::Rules,
};

/// How many files lie between two reports of progress.
const PROGRESS_EVERY: usize = 50;

/// Checks the selected files below `root`.
///
/// # Errors
/// The disk failed. What may not be read is in the report.
pub fn review(root: &Path, rules: &Rules, selection: &Selection) -> Result<Report, Failure> {
    let (parts, unreadable) = selection.resolve(root, &rules.globs)?;
    let mut report = Report { unreadable, ..Report::default() };
    let total = parts.len() as u64;
    let mut shown = model::Shown::new(rules);
    for (done, part) in parts.iter().enumerate() {
        if done % PROGRESS_EVERY == 0 {
            context::progress(done as u64, Some(total), &part.path);
        }
        if !rules.globs.matches(&part.path) {
            continue;
        }
        report.scanned_files += 1;
        check_name(rules, part, &mut report);
        let is_shown = shown.wants(&part.path);
        if !needs_content(rules, &part.path) && !is_shown {
            continue;
        }
        let reason = match files::read_up_to(root.join(&part.path), rules.max_file_size) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                report.unreadable.push(Unreadable { path: part.path.clone(), reason: "it may not be read".to_owned() });
                continue;
            }
            Err(error) => return Err(error.into()),
            Ok(Ok(content)) if files::is_binary(&content) => "it is binary".to_owned(),
            Ok(Ok(content)) => {
                check_content(rules, part, &content, &mut report);
                match is_shown.then(|| shown.add(part, &content)) {
                    Some(Err(reason)) => reason,
                    Some(Ok(())) | None => continue,
                }
            }
            Ok(Err(size)) => format!("it has {size} bytes, more than `max_file_size` ({})", rules.max_file_size),
        };
        report.skipped.push(Skipped { file: part.path.clone(), reason });
    }
    context::progress(total, Some(total), "");
    shown.review(rules.max_reported, &mut report)?;
    if let Some(first) = report.skipped.first() {
        let (count, Skipped { file, reason }) = (report.skipped.len(), first);
        log::warn(format!("{count} files are not checked, the first is {file}: {reason}"));
    }
    if let Some(first) = report.unreadable.first() {
        let (count, Unreadable { path, reason }) = (report.unreadable.len(), first);
        log::warn(format!("{count} files and folders cannot be read, the first is {path}: {reason}"));
    }
    report.sort();
    let counts = report.counts;
    log::info(format!(
        "{} files: {} error, {} warning, {} info",
        report.scanned_files, counts.error, counts.warning, counts.info
    ));
    Ok(report)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use longhaul_sdk::FailureKind;

    use super::*;
    use crate::report::Counts;

    fn rules(json: &str) -> Rules {
        Rules::new(serde_json::from_str(json).unwrap()).unwrap()
    }

    fn root(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    fn places(report: &Report) -> Vec<(&str, u64, u64, &str)> {
        report.findings.iter().map(|found| (&*found.file, found.line, found.column, &*found.rule)).collect()
    }

    #[test]
    fn findings_tell_their_place_and_the_most_severe_come_first() {
        let root = root(&[
            ("src/a.rs", "ok\nlet ä = x.unwrap();\n".as_bytes()),
            ("src/b.rs", b"// TODO\r\n"),
            (".env", b"KEY=1"),
        ]);
        let rules = rules(
            r#"{"rules":[
                {"name":"todo","regex":"\\bTODO\\b","severity":"info"},
                {"name":"unwrap","glob":"**/*.rs","literal":".unwrap()","message":"handle it"},
                {"name":"secrets","glob":"**/.env","forbid_file":true,"severity":"error"}]}"#,
        );
        let report = review(root.path(), &rules, &Selection::default()).unwrap();
        assert_eq!(
            places(&report),
            [(".env", 1, 1, "secrets"), ("src/a.rs", 2, 10, "unwrap"), ("src/b.rs", 1, 4, "todo")]
        );
        assert_eq!(report.counts, Counts { error: 1, warning: 1, info: 1 });
        assert_eq!(report.findings[1].excerpt, "let ä = x.unwrap();");
        assert_eq!(report.findings[2].excerpt, "// TODO");
    }

    #[test]
    fn length_is_counted_in_characters_and_lines() {
        let root = root(&[("a", "äääää\r\näääääx\n".as_bytes())]);
        let rules = rules(r#"{"rules":[{"name":"long","max_line_length":5},{"name":"file","max_file_lines":1}]}"#);
        let report = review(root.path(), &rules, &Selection::default()).unwrap();
        assert_eq!(places(&report), [("a", 2, 1, "file"), ("a", 2, 6, "long")]);
    }

    #[test]
    fn a_severe_finding_fails_the_task_and_carries_the_report() {
        let root = root(&[("a", b"bad bad")]);
        let json = r#"{"rules":[{"name":"bad","literal":"bad","severity":"SEVERITY"}],"fail_at":"FAIL"}"#;
        for (severity, fail_at, fails) in [
            ("error", "error", true),
            ("warning", "error", false),
            ("warning", "warning", true),
            ("info", "warning", false),
            ("error", "never", false),
        ] {
            let rules = rules(&json.replace("SEVERITY", severity).replace("FAIL", fail_at));
            let judged = review(root.path(), &rules, &Selection::default()).unwrap().judge(&rules);
            assert_eq!(judged.is_err(), fails, "{severity} at {fail_at}");
            if let Err(failure) = judged {
                assert_eq!(failure.kind, FailureKind::Validation);
                assert!(
                    failure.message.contains("2 findings") && failure.message.contains("a:1:1"),
                    "{}",
                    failure.message
                );
                assert_eq!(failure.detail.unwrap()["findings"][1]["column"], 5);
            }
        }
    }

    #[test]
    fn a_full_list_keeps_the_errors() {
        let root = root(&[("a", b"x x x x\ny")]);
        let rules = rules(
            r#"{"rules":[{"name":"x","literal":"x","severity":"info"},{"name":"y","literal":"y","severity":"error"}],
                "max_reported":2}"#,
        );
        let report = review(root.path(), &rules, &Selection::default()).unwrap();
        assert_eq!(places(&report), [("a", 2, 1, "y"), ("a", 1, 1, "x")]);
        assert_eq!((report.findings_omitted, report.counts), (3, Counts { error: 1, warning: 0, info: 4 }));
    }

    #[test]
    fn a_part_of_a_file_is_checked_within_its_lines() {
        let root = root(&[("a", b"x\nx\nx\n")]);
        let rules = rules(r#"{"rules":[{"name":"x","literal":"x"},{"name":"lines","max_file_lines":2}]}"#);
        let part: Selection = serde_json::from_str(r#"{"files":[{"path":"a","lines":[2,2],"of":3}]}"#).unwrap();
        assert_eq!(places(&review(root.path(), &rules, &part).unwrap()), [("a", 2, 1, "x")]);
    }

    #[test]
    fn what_cannot_be_read_fails_the_review_unless_it_may_be_skipped() {
        let unseen = || Report {
            unreadable: vec![Unreadable { path: "src/key.rs".into(), reason: "it may not be read".into() }],
            ..Report::default()
        };
        let with = |more: &str| rules(&format!(r#"{{"rules":[{{"name":"x","literal":"x"}}]{more}}}"#));
        for more in ["", r#","fail_at":"never""#, r#","unreadable":"fail""#] {
            let failure = unseen().judge(&with(more)).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Denied);
            assert!(
                failure.message.contains("src/key.rs") && failure.message.contains("`unreadable: skip`"),
                "{failure}"
            );
            assert_eq!(failure.detail.unwrap()["unreadable"][0]["path"], "src/key.rs");
        }
        assert!(unseen().judge(&with(r#","unreadable":"skip""#)).is_ok());
    }

    #[test]
    fn binary_files_are_skipped_and_reported() {
        let root = root(&[("a", b"x\0x")]);
        let rules = rules(r#"{"rules":[{"name":"x","literal":"x"}]}"#);
        let report = review(root.path(), &rules, &Selection::default()).unwrap();
        assert_eq!((report.findings.len(), report.skipped.len()), (0, 1));
    }
}
