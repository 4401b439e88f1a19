//! What a model finds: it is shown the files in portions, answers in a form, and what it names is checked against the files.

use std::collections::BTreeMap;

use longhaul_sdk::{
    Failure, Part, context,
    files::{GlobError, Globs},
    log, shortened,
};
use schemars::JsonSchema;
use serde::Deserialize;
use workbench::{Talk, instructions};

use crate::{
    report::{Finding, Report},
    rules::{Rules, Severity},
};

/// What the model is told.
const PROMPT: &str = include_str!("../prompts/review.md");

/// The name that its findings bear.
const RULE: &str = "model";

/// The most bytes of one portion: more than that in one question makes answers worse.
const PORTION: usize = 48 << 10;

/// The most bytes of what is said about a finding, and of its excerpt.
const MAX_MESSAGE: usize = 1_000;
const MAX_EXCERPT: usize = 160;

/// The field `model_review` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelReview {
    #[serde(default)]
    focus: String,
    glob: Option<Globs>,
    #[serde(default)]
    at_most: Severity,
    #[serde(default = "max_bytes")]
    max_bytes: usize,
    #[serde(default = "max_findings")]
    max_findings: usize,
    #[serde(default)]
    conversation: Talk,
}

fn max_bytes() -> usize {
    512 << 10
}

fn max_findings() -> usize {
    50
}

impl ModelReview {
    /// The same, without files that nobody looks at.
    pub(crate) fn except(self, exclude: &[String]) -> Result<Self, GlobError> {
        let globs = self.globs().except(exclude.iter().cloned())?;
        Ok(Self { glob: Some(globs), ..self })
    }

    /// The files that the model looks at.
    pub(crate) fn globs(&self) -> Globs {
        self.glob.clone().unwrap_or_else(Globs::all)
    }
}

/// What the model answers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// What is wrong, the worst first
    findings: Vec<Found>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Found {
    /// The file, as its heading names it
    file: String,
    /// The line, as the number in front of it says
    line: u64,
    /// How much it matters
    severity: Severity,
    /// What goes wrong, and when
    message: String,
}

/// The files that the model is shown.
pub(crate) struct Shown<'a> {
    review: Option<(&'a ModelReview, Globs)>,
    portions: Vec<Portion>,
    bytes: usize,
}

/// Some files, as one question.
#[derive(Default)]
struct Portion {
    text: String,
    /// The lines of each file, by number.
    lines: BTreeMap<String, BTreeMap<u64, String>>,
}

impl<'a> Shown<'a> {
    /// Nothing yet.
    pub(crate) fn new(rules: &'a Rules) -> Self {
        let review = rules.model_review.as_ref().map(|review| (review, review.globs()));
        Self { review, portions: Vec::new(), bytes: 0 }
    }

    /// Whether the model is to see this file.
    pub(crate) fn wants(&self, path: &str) -> bool {
        self.review.as_ref().is_some_and(|(_, globs)| globs.matches(path))
    }

    /// Adds a file, or the lines of it that are to be checked; tells why where there is no room.
    pub(crate) fn add(&mut self, part: &Part, content: &[u8]) -> Result<(), String> {
        let Some((review, _)) = &self.review else { return Ok(()) };
        let (range, first) = part.place(content);
        let text = String::from_utf8_lossy(&content[range]);
        if self.bytes + text.len() > review.max_bytes {
            return Err(format!("the model is shown {} bytes at most (`max_bytes`)", review.max_bytes));
        }
        self.bytes += text.len();
        let heading = format!("## {}\n\n", part.path);
        for (number, line) in (first..).zip(text.lines()) {
            let shown = format!("{number}| {line}\n");
            let has_room = |last: &Portion| last.text.len() + heading.len() + shown.len() <= PORTION;
            if !self.portions.last().is_some_and(has_room) {
                self.portions.push(Portion::default());
            }
            if let Some(portion) = self.portions.last_mut() {
                let lines = portion.lines.entry(part.path.clone()).or_default();
                if lines.is_empty() {
                    portion.text += &heading;
                }
                lines.insert(number, line.to_owned());
                portion.text += &shown;
            }
        }
        Ok(())
    }

    /// Asks the model, and adds what it found to the report.
    pub(crate) fn review(self, room: usize, report: &mut Report) -> Result<(), Failure> {
        let Some((review, _)) = self.review else { return Ok(()) };
        let total = self.portions.len() as u64;
        let mut unfounded = 0;
        for (done, portion) in self.portions.iter().enumerate() {
            context::progress(done as u64, Some(total), "asking the model");
            let mut conversation = review.conversation.begin(instructions(PROMPT, &review.focus));
            conversation.say(format!("Review these files.\n\n{}", portion.text));
            let answer: Answer = conversation.ask_for()?;
            for found in answer.findings.into_iter().take(review.max_findings) {
                match portion.finding(found, review.at_most) {
                    Some(finding) => report.add(finding.severity, room, || finding),
                    None => unfounded += 1,
                }
            }
        }
        if unfounded > 0 {
            log::warn(format!("{unfounded} findings of the model name no line that it was shown; they are left out"));
        }
        Ok(())
    }
}

impl Portion {
    /// A finding, where it points to something that is there.
    fn finding(&self, found: Found, at_most: Severity) -> Option<Finding> {
        let file = found.file.trim_start_matches("./");
        let line = self.lines.get(file)?.get(&found.line)?;
        let message = shortened(found.message.trim(), MAX_MESSAGE);
        (!message.is_empty()).then(|| Finding {
            file: file.to_owned(),
            line: found.line,
            column: 1,
            rule: RULE.to_owned(),
            severity: found.severity.min(at_most),
            message,
            excerpt: line.trim().chars().take(MAX_EXCERPT).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use longhaul_sdk::{
        FailureKind, Selection,
        testing::{self, Host},
    };
    use serde_json::{Value, json};

    use crate::{Report, Rules, review};

    fn project(files: &[(&str, String)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            std::fs::write(root.path().join(path), content).unwrap();
        }
        root
    }

    fn reviewed(root: &tempfile::TempDir, config: Value) -> Report {
        let rules = Rules::new(serde_json::from_value(config).unwrap()).unwrap();
        review(root.path(), &rules, &Selection::default()).unwrap()
    }

    fn answer(findings: Value) -> testing::Answer {
        testing::Answer::text(json!({ "findings": findings }).to_string())
    }

    #[test]
    fn what_a_model_finds_stands_beside_what_rules_find_and_counts_as_no_more_than_allowed() {
        let root = project(&[("a.rs", "fn a() {}\nfn b() { todo!() }\n".into()), ("b.txt", "TODO".into())]);
        let host = Host::new();
        let found = |file: &str, line: u64| json!({"file": file, "line": line, "severity": "error", "message": "b() ends the program"});
        host.answers([answer(json!([found("a.rs", 2), found("a.rs", 9), found("gone.rs", 1), found("b.txt", 1)]))]);
        let report = reviewed(
            &root,
            json!({"rules": [{"name": "todo", "literal": "TODO"}], "model_review": {"glob": "*.rs", "focus": "it must not panic"}}),
        );
        let places: Vec<_> = report.findings.iter().map(|f| (f.file.as_str(), f.line, f.rule.as_str())).collect();
        assert_eq!(places, [("a.rs", 2, "model"), ("b.txt", 1, "todo")]);
        assert_eq!((report.counts.error, report.counts.warning), (0, 2));
        assert_eq!(report.findings[0].excerpt, "fn b() { todo!() }");
        assert!(host.log().iter().any(|line| line.starts_with("3 findings of the model name no line")));
        let asked = format!("{:?}", host.chats()[0].messages);
        assert!(
            asked.contains("it must not panic") && asked.contains("2| fn b()") && !asked.contains("TODO"),
            "{asked}"
        );
    }

    #[test]
    fn a_model_may_fail_the_task_where_it_is_allowed_to() {
        let root = project(&[("a.rs", "fn a() {}\n".into())]);
        let host = Host::new();
        host.answers([answer(json!([{"file": "./a.rs", "line": 1, "severity": "error", "message": "wrong"}]))]);
        let config = json!({"model_review": {"at_most": "error"}});
        let rules = Rules::new(serde_json::from_value(config).unwrap()).unwrap();
        let judged = review(root.path(), &rules, &Selection::default()).unwrap().judge(&rules);
        assert_eq!(judged.unwrap_err().kind, FailureKind::Validation);
    }

    #[test]
    fn many_files_are_shown_in_portions_and_what_is_too_much_is_told() {
        let lines = |n: usize| (0..n).map(|n| format!("line {n} {}\n", "x".repeat(90))).collect::<String>();
        let root = project(&[("a", lines(300)), ("b", lines(700)), ("c", lines(3_000))]);
        let host = Host::new();
        host.on_chat(|request| answer(json!([])).to(request));
        let report = reviewed(&root, json!({"model_review": {"max_bytes": 150_000}}));
        assert_eq!(host.chats().len(), 3, "about 100 KB and the numbers of the lines, at 48 KiB each");
        assert_eq!((report.skipped.len(), report.skipped[0].file.as_str()), (1, "c"));
        let second = format!("{:?}", host.chats()[2].messages);
        assert!(second.contains("## b\\n\\n") && second.contains("699| line 698"), "the heading comes again");
    }
}
