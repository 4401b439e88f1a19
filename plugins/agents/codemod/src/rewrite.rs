//! Applies the rules to the content of one file, and proves that a second application would change nothing.

use longhaul_sdk::Failure;
use serde::Serialize;

use crate::{
    report::{Change, excerpt},
    rules::{Rule, Rules},
};

/// What the rules make of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The new content.
    pub content: Vec<u8>,
    /// The first changes, by rule, then by line.
    pub changes: Vec<Change>,
    /// How many changes there were in all.
    pub replacements: u64,
}

/// Why a rule is refused.
#[derive(Serialize)]
struct Unstable<'a> {
    rule: &'a str,
    file: &'a str,
    change: &'a Change,
}

/// Applies the rules for `file` to `content`, in their order, each once to each of its matches. `first_line` is the
/// number of the content's first line, and at most `listed` changes are listed. None where nothing changes.
///
/// # Errors
/// A second application would change the result again, by a rule that is not marked `idempotent: false`.
pub fn rewrite(
    rules: &Rules,
    file: &str,
    content: &[u8],
    first_line: u64,
    listed: usize,
) -> Result<Option<Rewrite>, Failure> {
    let here = || rules.rules.iter().filter(|rule| rule.globs.matches(file));
    let mut pass = Pass { file, first_line, listed, changes: Vec::new(), replacements: 0 };
    let Some(result) = pass.apply(here(), content) else { return Ok(None) };
    if result == content {
        return Ok(None);
    }

    // A rule at a time would not do: what one rule writes, an earlier one may match.
    let mut again = Pass { file, first_line, listed: usize::MAX, changes: Vec::new(), replacements: 0 };
    let stable = again.apply(here().filter(|rule| rule.idempotent), &result).is_none_or(|second| second == result);
    if !stable && let Some(change) = again.changes.first() {
        return Err(refusal(file, change));
    }
    Ok(Some(Rewrite { content: result, changes: pass.changes, replacements: pass.replacements }))
}

fn refusal(file: &str, change: &Change) -> Failure {
    let Change { rule, line, before, after, .. } = change;
    Failure::validation(format!(
        "rule `{rule}` is not idempotent: a second run would change line {line} of {file} again, from `{before}` to `{after}`; make its pattern \
         leave out what the rules write (`word: true` or a narrower `regex` often does), or allow it with `idempotent: false`"
    ))
    .with_detail(Unstable { rule, file, change })
}

/// One application of some rules.
struct Pass<'a> {
    file: &'a str,
    first_line: u64,
    listed: usize,
    changes: Vec<Change>,
    replacements: u64,
}

impl Pass<'_> {
    /// The content after all of the rules; none where no rule matched.
    fn apply<'r>(&mut self, rules: impl Iterator<Item = &'r Rule>, content: &[u8]) -> Option<Vec<u8>> {
        let mut current: Option<Vec<u8>> = None;
        for rule in rules {
            if let Some(next) = self.apply_rule(rule, current.as_deref().unwrap_or(content)) {
                current = Some(next);
            }
        }
        current
    }

    fn apply_rule(&mut self, rule: &Rule, content: &[u8]) -> Option<Vec<u8>> {
        let (mut line, mut counted) = (self.first_line, 0);
        rule.pattern.replace(content, &rule.replacement, |start, end, after| {
            let before = &content[start..end];
            if before == after {
                return;
            }
            self.replacements += 1;
            if self.changes.len() < self.listed {
                line += content[counted..start].iter().filter(|byte| **byte == b'\n').count() as u64;
                counted = start;
                self.changes.push(Change {
                    file: self.file.to_owned(),
                    line,
                    rule: rule.name.clone(),
                    before: excerpt(before),
                    after: excerpt(after),
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use longhaul_sdk::FailureKind;

    use super::*;

    fn rules(json: &str) -> Rules {
        Rules::new(serde_json::from_str(json).unwrap()).unwrap()
    }

    fn content(json: &str, file: &str, content: &[u8]) -> Option<Vec<u8>> {
        rewrite(&rules(json), file, content, 1, 10).unwrap().map(|rewrite| rewrite.content)
    }

    #[test]
    fn rules_apply_in_order_to_the_files_of_their_globs() {
        let json = r#"{"rules":[
            {"name":"a","glob":"*.rs","literal":"one","replace":"two"},
            {"name":"b","literal":"two","replace":"three"}]}"#;
        assert_eq!(content(json, "x.rs", b"one").unwrap(), b"three");
        assert_eq!(content(json, "x.py", b"one"), None);
    }

    #[test]
    fn each_change_tells_line_before_and_after() {
        let json = r#"{"rules":[{"name":"try","regex":"try!\\((\\w+)\\)","replace":"$1?"}]}"#;
        let rewrite = rewrite(&rules(json), "x.rs", b"a\ntry!(b); try!(c)\r\n\ntry!(d)", 11, 2).unwrap().unwrap();
        assert_eq!(rewrite.content, b"a\nb?; c?\r\n\nd?");
        let seen: Vec<_> =
            rewrite.changes.iter().map(|change| (change.line, &*change.before, &*change.after)).collect();
        assert_eq!(seen, [(12, "try!(b)", "b?"), (12, "try!(c)", "c?")]);
        assert_eq!(rewrite.replacements, 3);
    }

    #[test]
    fn a_rule_that_matches_its_own_result_is_refused_by_name() {
        let json = r#"{"rules":[{"name":"prefix","literal":"log","replace":"my_log"}]}"#;
        let failure = rewrite(&rules(json), "x.rs", b"log(1)", 1, 10).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Validation);
        assert!(failure.message.contains("rule `prefix`") && failure.message.contains("x.rs"), "{}", failure.message);
        assert_eq!(failure.detail.unwrap()["rule"], "prefix");
    }

    #[test]
    fn a_rule_that_matches_the_result_of_a_later_one_is_refused_too() {
        let json = r#"{"rules":[
            {"name":"first","literal":"foo","replace":"bar"},
            {"name":"second","literal":"baz","replace":"foo"}]}"#;
        let failure = rewrite(&rules(json), "x", b"baz", 1, 10).unwrap_err();
        assert!(failure.message.contains("rule `first`"), "{}", failure.message);
    }

    #[test]
    fn whole_words_make_a_prefix_stable_and_a_rule_may_opt_out() {
        let json = r#"{"rules":[{"name":"p","literal":"log","word":true,"replace":"my_log"}]}"#;
        let once = content(json, "x", b"log(1) catalog").unwrap();
        assert_eq!(once, b"my_log(1) catalog");
        assert_eq!(content(json, "x", &once), None);
        let json = r#"{"rules":[{"name":"p","literal":"a","replace":"aa","idempotent":false}]}"#;
        assert_eq!(content(json, "x", b"a").unwrap(), b"aa");
    }

    #[test]
    fn rules_that_undo_each_other_change_nothing() {
        let json = r#"{"rules":[{"name":"a","literal":"x","replace":"y"},{"name":"b","literal":"y","replace":"x"}]}"#;
        assert_eq!(content(json, "f", b"x"), None);
    }
}
