//! A script: what a model answers to what, as a file says it.
//!
//! ```yaml
//! window: 8192                       # tokens of context; 32768 where nothing is said
//! price: { input: 2.50, output: 10 } # of a million tokens; nothing where nothing is said
//! rules:                             # the first that fits answers
//!   - when: { agent: coder, turn: 0 }
//!     call: [{ tool: read, with: { path: src/lib.rs } }]
//!   - when: { last: "not found" }
//!     say: I cannot find it.
//! ```

use super::error::ModelError;
use super::price::Price;
use longhaul_core::id::Name;
use longhaul_core::model::Finish;
use longhaul_core::units::{Tokens, parse_duration, parse_money};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;
use std::time::Duration;

/// The most bytes of a script.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The most rules of a script: each of them is looked at for each request.
const MAX_RULES: usize = 10_000;
/// The longest wait before an answer.
const MAX_AFTER: Duration = Duration::from_secs(600);

/// A script that was read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    /// The size of the context window.
    #[serde(default = "usual_window")]
    pub(crate) window: u64,
    /// What it costs.
    #[serde(default, deserialize_with = "price")]
    pub(crate) price: Price,
    /// The first that fits answers.
    pub(crate) rules: Vec<Rule>,
}

/// An answer, and what has to be so for it to be given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// All of this has to be so.
    #[serde(default)]
    pub(crate) when: When,
    /// What the model says.
    pub(crate) say: Option<String>,
    /// What it says, as JSON.
    pub(crate) json: Option<Value>,
    /// The tools that it asks for.
    #[serde(default)]
    pub(crate) call: Vec<Wish>,
    /// Why it stopped; worked out where nothing is said.
    pub(crate) finish: Option<Finish>,
    /// It does not answer, but fails so.
    pub(crate) fail: Option<Fail>,
    /// How long it takes to answer.
    #[serde(default, deserialize_with = "duration")]
    pub(crate) after: Duration,
}

/// What has to be so. What is not mentioned may be as it likes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    /// The agent's name in the workflow.
    pub(crate) agent: Option<Name>,
    /// The task, with its index and its parents.
    pub(crate) task: Option<String>,
    /// The number of the attempt.
    pub(crate) attempt: Option<u32>,
    /// How many messages the model has said already.
    pub(crate) turn: Option<usize>,
    /// The least that it has said already.
    pub(crate) from_turn: Option<usize>,
    /// A tool is offered.
    pub(crate) tool: Option<String>,
    /// Texts that the instructions have.
    #[serde(default)]
    pub(crate) system: Texts,
    /// Texts that the first message of a user has.
    #[serde(default)]
    pub(crate) first: Texts,
    /// Texts that the last message has.
    #[serde(default)]
    pub(crate) last: Texts,
    /// Texts that the conversation has somewhere.
    #[serde(default)]
    pub(crate) any: Texts,
}

/// One text or several.
#[derive(Debug, Default)]
pub(crate) struct Texts(Vec<String>);

impl Texts {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `text` has all of them.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.0.iter().all(|wanted| text.contains(wanted.as_str()))
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(vec![text])),
            Value::Array(list) => {
                let texts = list.into_iter().map(|one| match one {
                    Value::String(text) => Ok(text),
                    other => {
                        Err(D::Error::custom(format!("a text is wanted here, and this is {other}; put it in quotes")))
                    }
                });
                texts.collect::<Result<_, _>>().map(Self)
            }
            other => Err(D::Error::custom(format!(
                "a text or a list of texts is wanted here, and this is {other}; put it in quotes"
            ))),
        }
    }
}

/// A tool that the model asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// The tool's name.
    pub(crate) tool: String,
    /// Its arguments: an object, or a text that need not be JSON.
    #[serde(default)]
    pub(crate) with: Value,
}

/// How a model fails.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fail {
    /// It asks to wait so long.
    RateLimited(Option<String>),
    /// Its answer breaks off behind this.
    CutOff(String),
    /// It answers this, which is no answer.
    Malformed(String),
    /// It does not answer in this time.
    TimedOut(String),
    /// It fails in these words.
    Failed(String),
}

fn usual_window() -> u64 {
    32_768
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrice {
    #[serde(default)]
    input: Amount,
    #[serde(default)]
    output: Amount,
}

/// A number or a text.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Amount(Option<String>);

fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Price, D::Error> {
    let raw = RawPrice::deserialize(deserializer)?;
    let money =
        |amount: Amount| amount.0.map_or(Ok(Default::default()), |text| parse_money(&text).map_err(D::Error::custom));
    Ok(Price { input: money(raw.input)?, output: money(raw.output)? })
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// [`ModelError`] with the place in the file.
    pub(crate) fn read(text: &str) -> Result<Self, ModelError> {
        let whole = |message: String| ModelError { line: 1, column: 1, message };
        if text.len() > MAX_BYTES {
            return Err(whole(format!(
                "the script has {} bytes, more than {MAX_BYTES}; write fewer rules",
                text.len()
            )));
        }
        let script: Script = serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
            let error = error.without_snippet();
            let (line, column) = error.location().map_or((1, 1), |at| (at.line().max(1), at.column().max(1)));
            let message = error.to_string().lines().next().unwrap_or_default().chars().take(300).collect();
            ModelError { line, column, message }
        })?;
        if script.rules.len() > MAX_RULES {
            return Err(whole(format!("the script has {} rules, more than {MAX_RULES}", script.rules.len())));
        }
        for (number, rule) in script.rules.iter().enumerate() {
            rule.check().map_err(|reason| whole(format!("rules[{number}]: {reason}")))?;
        }
        Ok(script)
    }

    /// The size of the context window.
    pub(crate) fn window(&self) -> Tokens {
        Tokens(self.window)
    }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        let answers = usize::from(self.say.is_some()) + usize::from(self.json.is_some());
        match (&self.fail, answers, self.call.len()) {
            (None, 0, 0) => return Err("it answers nothing; add `say`, `json`, `call` or `fail`".to_owned()),
            (Some(_), 1.., _) | (Some(_), _, 1..) => {
                return Err("it fails and answers; keep one of the two".to_owned());
            }
            (_, 2, _) => return Err("it has `say` and `json`; keep one of them".to_owned()),
            _ => {}
        }
        if self.after > MAX_AFTER {
            return Err("`after` is longer than 10m; write less".to_owned());
        }
        let span = match &self.fail {
            Some(Fail::RateLimited(span)) => span.as_ref(),
            Some(Fail::TimedOut(span)) => Some(span),
            _ => None,
        };
        span.map_or(Ok(()), |span| parse_duration(span).map(drop).map_err(|error| error.to_string()))
    }
}

/// How the YAML is read: bounded in size, depth and what anchors expand to.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 48,
            max_nodes: 200_000,
            max_events: 500_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_total_scalar_bytes: MAX_BYTES,
            max_documents: 2,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 1_000,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::units::Money;

    #[test]
    fn a_script_that_cannot_be_used_says_where_and_what_to_do() {
        for (text, told) in [
            ("rules: [{ sya: hello }]", "line 1, column"),
            ("rules:\n  - when: { turn: x }\n    say: hello\n", "line 2"),
            ("rules: [{}]", "rules[0]: it answers nothing; add `say`"),
            ("rules: [{ say: a, json: {} }]", "keep one of them"),
            ("rules: [{ say: a, fail: { failed: b } }]", "keep one of the two"),
            ("rules: [{ fail: { rate_limited: soon } }]", "`soon` is not a duration"),
            ("rules: [{ fail: { explode: 1 } }]", "explode"),
            ("rules: [{ say: a, after: 20m }]", "longer than 10m"),
            ("price: { input: much }\nrules: []", "`much` is not a sum of money"),
            ("rules: [{ say: a, when: { last: [1] } }]", "put it in quotes"),
            ("rules: [", "line 1"),
        ] {
            let error = Script::read(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
        assert!(Script::read(&" ".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn all_of_a_script_is_read() {
        let script = Script::read(
            "window: 100\nprice: { input: 2.50, output: 10 }\nrules:\n  - when: { agent: coder, task: \"fix[1]\", attempt: 2, turn: 0, from_turn: 0, \
             tool: read, system: be, first: [a, b], last: c, any: d }\n    say: hello\n    call: [{ tool: read, with: { path: x } }]\n    finish: length\n    after: 5ms\n",
        )
        .unwrap();
        assert_eq!(
            (script.window(), script.price.input, script.price.output),
            (Tokens(100), Money(2_500_000), Money(10_000_000))
        );
        assert_eq!((script.rules[0].after, script.rules[0].finish), (Duration::from_millis(5), Some(Finish::Length)));
    }
}
