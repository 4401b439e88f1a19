//! The rules: as they are written in the configuration, and ready to be applied.

use longhaul_sdk::{
    Failure,
    files::Globs,
    pattern::{Options, Pattern, Text},
    rules::{self, MAX_FILE_SIZE, MAX_REPORTED},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::ModelReview;

/// How much a finding matters; later ones matter more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Should be looked at.
    #[default]
    Warning,
    /// Has to be mended.
    Error,
}

/// The agent's configuration, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    rules: Vec<RuleConfig>,
    model_review: Option<ModelReview>,
    #[serde(default)]
    fail_at: FailAt,
    #[serde(default)]
    unreadable: OnUnreadable,
    #[serde(default)]
    exclude: Vec<String>,
    max_file_size: Option<u64>,
    max_reported: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FailAt {
    Info,
    Warning,
    #[default]
    Error,
    Never,
}

/// What to do about files that may not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnUnreadable {
    /// Fail the task: a gate must not let pass what it did not see.
    #[default]
    Fail,
    /// Report them.
    Skip,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleConfig {
    name: String,
    #[serde(alias = "globs")]
    glob: Option<Globs>,
    #[serde(default)]
    severity: Severity,
    message: Option<String>,
    literal: Option<String>,
    regex: Option<String>,
    #[serde(default)]
    word: bool,
    #[serde(default)]
    case_insensitive: bool,
    max_line_length: Option<u64>,
    max_file_lines: Option<u64>,
    forbid_file: Option<bool>,
}

/// The rules, checked and ready.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(crate) rules: Vec<Rule>,
    /// The files that some rule, or the model, looks at.
    pub(crate) globs: Globs,
    /// What a model looks for.
    pub(crate) model_review: Option<ModelReview>,
    /// The least severity that fails the task.
    pub(crate) fail_at: Option<Severity>,
    pub(crate) on_unreadable: OnUnreadable,
    pub(crate) max_file_size: u64,
    pub(crate) max_reported: usize,
}

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) globs: Globs,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) test: Test,
}

/// What a rule looks for.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// A match in the text.
    Match(Pattern),
    /// A line with more characters.
    LineLength(u64),
    /// A file with more lines.
    FileLines(u64),
    /// The file itself.
    Forbidden,
}

impl Rules {
    /// Checks the configuration.
    ///
    /// # Errors
    /// A rule makes no sense; the failure names the field and the rule.
    pub fn new(config: Config) -> Result<Self, Failure> {
        if config.rules.is_empty() && config.model_review.is_none() {
            return Err(Failure::invalid_input(
                "config, field `rules`: there is no rule and no `model_review`, so there is nothing to check",
            ));
        }
        let (rules, globs) = rules::read(config.rules, &config.exclude)?;
        let wrong = |error| Failure::invalid_input(format!("config, field `exclude`: {error}"));
        let model_review =
            config.model_review.map(|review| review.except(&config.exclude)).transpose().map_err(wrong)?;
        let globs = model_review.iter().fold(globs, |globs, review| globs.or(&review.globs()));
        Ok(Self {
            rules,
            globs,
            model_review,
            fail_at: match config.fail_at {
                FailAt::Info => Some(Severity::Info),
                FailAt::Warning => Some(Severity::Warning),
                FailAt::Error => Some(Severity::Error),
                FailAt::Never => None,
            },
            on_unreadable: config.unreadable,
            max_file_size: config.max_file_size.unwrap_or(MAX_FILE_SIZE),
            max_reported: config.max_reported.unwrap_or(MAX_REPORTED),
        })
    }
}

impl rules::RuleConfig for RuleConfig {
    type Rule = Rule;

    fn name(&self) -> &str {
        &self.name
    }

    fn globs(&self) -> Option<Globs> {
        self.glob.clone()
    }

    fn rule(self, globs: Globs) -> Result<Rule, String> {
        let options = Options { word: self.word, case_insensitive: self.case_insensitive };
        let forbidden = self.forbid_file.unwrap_or(false);
        let tests = (&self.literal, &self.regex, self.max_line_length, self.max_file_lines, forbidden);
        let (test, words) = match tests {
            (Some(literal), None, None, None, false) => {
                (Test::Match(Pattern::new(Text::Literal(literal), options)?), format!("`{literal}` is not wanted here"))
            }
            (None, Some(regex), None, None, false) => {
                (Test::Match(Pattern::new(Text::Regex(regex), options)?), format!("`{regex}` is not wanted here"))
            }
            (None, None, Some(most), None, false) => {
                (Test::LineLength(most), format!("the line has more than {most} characters"))
            }
            (None, None, None, Some(most), false) => {
                (Test::FileLines(most), format!("the file has more than {most} lines"))
            }
            (None, None, None, None, true) if self.glob.is_none() => {
                return Err("`forbid_file` needs a `glob`; without one it would forbid every file".to_owned());
            }
            (None, None, None, None, true) => (Test::Forbidden, "this file must not be here".to_owned()),
            _ => {
                return Err("give exactly one of `literal`, `regex`, `max_line_length`, `max_file_lines` and `forbid_file: true`".to_owned());
            }
        };
        if options != Options::default() && !matches!(test, Test::Match(_)) {
            return Err("`word` and `case_insensitive` go with `literal` or `regex` only".to_owned());
        }
        Ok(Rule { name: self.name, globs, severity: self.severity, message: self.message.unwrap_or(words), test })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_makes_no_sense_is_named() {
        for (rule, wanted) in [
            (r#"{"name":"a"}"#, "exactly one"),
            (r#"{"name":"a","literal":"x","max_file_lines":3}"#, "exactly one"),
            (r#"{"name":"a","regex":"["}"#, "rule `a`"),
            (r#"{"name":"a","forbid_file":true}"#, "needs a `glob`"),
            (r#"{"name":"a","max_line_length":3,"word":true}"#, "`word`"),
        ] {
            let config = serde_json::from_str(&format!(r#"{{"rules":[{rule}]}}"#)).unwrap();
            let message = Rules::new(config).unwrap_err().message;
            assert!(message.contains(wanted), "{rule}: {message}");
        }
    }
}
