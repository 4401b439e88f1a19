//! The rules: as they are written in the configuration, and ready to be applied.

use longhaul_sdk::{
    Failure,
    files::Globs,
    pattern::{Options, Pattern, Replacement, Text},
    rules::{self, MAX_FILE_SIZE, MAX_REPORTED},
};
use serde::Deserialize;

/// The agent's configuration, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    rules: Vec<RuleConfig>,
    #[serde(default)]
    exclude: Vec<String>,
    max_file_size: Option<u64>,
    max_reported: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleConfig {
    name: String,
    #[serde(alias = "globs")]
    glob: Option<Globs>,
    literal: Option<String>,
    regex: Option<String>,
    replace: String,
    #[serde(default)]
    word: bool,
    #[serde(default)]
    case_insensitive: bool,
    #[serde(default = "yes")]
    idempotent: bool,
}

fn yes() -> bool {
    true
}

/// The rules, checked and ready.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(crate) rules: Vec<Rule>,
    /// The files that some rule applies to.
    pub(crate) globs: Globs,
    pub(crate) max_file_size: u64,
    pub(crate) max_reported: usize,
}

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) globs: Globs,
    pub(crate) pattern: Pattern,
    pub(crate) replacement: Replacement,
    /// Whether its result must not change when it is applied again.
    pub(crate) idempotent: bool,
}

impl Rules {
    /// Checks the configuration.
    ///
    /// # Errors
    /// A rule makes no sense; the failure names the field and the rule.
    pub fn new(config: Config) -> Result<Self, Failure> {
        if config.rules.is_empty() {
            return Err(Failure::invalid_input("config, field `rules`: there is no rule, so there is nothing to do"));
        }
        let (rules, globs) = rules::read(config.rules, &config.exclude)?;
        Ok(Self {
            rules,
            globs,
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
        let text = match (&self.literal, &self.regex) {
            (Some(literal), None) => Text::Literal(literal),
            (None, Some(regex)) => Text::Regex(regex),
            _ => return Err("give either `literal` or `regex`".to_owned()),
        };
        let options = Options { word: self.word, case_insensitive: self.case_insensitive };
        let pattern = Pattern::new(text, options)?;
        let replacement = match text {
            Text::Literal(_) => Replacement::Verbatim(self.replace.into_bytes()),
            Text::Regex(_) => pattern.replacement(&self.replace)?,
        };
        Ok(Rule { name: self.name, globs, pattern, replacement, idempotent: self.idempotent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        let config: Config = serde_json::from_str(json).unwrap();
        Rules::new(config).unwrap_err().message
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_named() {
        for (json, wanted) in [
            (r#"{"rules":[]}"#, "nothing to do"),
            (
                r#"{"rules":[{"name":"a","literal":"x","replace":"y"},{"name":"b","replace":"y"}]}"#,
                "rules[1]` (rule `b`)",
            ),
            (r#"{"rules":[{"name":"a","regex":"(","replace":"y"}]}"#, "unclosed group"),
            (r#"{"rules":[{"name":"a","regex":"x","replace":"$1"}]}"#, "group 1"),
            (r#"{"rules":[{"name":"a","literal":"x","replace":"y"}],"exclude":["["]}"#, "`exclude`"),
        ] {
            let message = refusal(json);
            assert!(message.contains(wanted), "{json}: {message}");
        }
    }

    #[test]
    fn a_dollar_in_a_literal_replacement_is_a_dollar() {
        let config = serde_json::from_str(r#"{"rules":[{"name":"a","literal":"x","replace":"$1"}]}"#).unwrap();
        assert_eq!(Rules::new(config).unwrap().rules[0].replacement, Replacement::Verbatim(b"$1".to_vec()));
    }
}
