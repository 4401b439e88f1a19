//! The agent `documenter`: has a model bring documents up to date with what was changed.
//!
//! It looks at everything that its grant lets it read, and writes only what `docs` names.

use std::path::Path;

use longhaul_sdk::{Agent, Ended, Failure, Outcome, Task, ToolLoop, Tools, files::Globs, log, shortened};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use workbench::{Bench, Talk, Work, brief, change, instructions, look, open, work, written};

/// What the model is told.
const PROMPT: &str = include_str!("../prompts/documenter.md");

/// The agent.
#[derive(Debug)]
pub struct Documenter;

/// The agent's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    docs: Docs,
    #[serde(default)]
    instructions: String,
    #[serde(default)]
    conversation: Talk,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a glob or a list of globs")]
enum Docs {
    One(String),
    Many(Vec<String>),
}

/// The task's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// What was changed.
    pub changes: Value,
    /// What the change was for.
    pub requirement: String,
    /// The files that were changed.
    pub files: Vec<String>,
}

/// How far the work is; it goes along when the agent goes on as new.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    talk: ToolLoop,
    work: Work,
}

/// The agent's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was done, in the model's words.
    pub summary: String,
    /// The documents that were changed or made.
    pub files: Vec<String>,
    /// Answers of the model.
    pub turns: u64,
    /// Tokens that it read and wrote.
    pub tokens: u64,
}

#[longhaul_sdk::agent]
impl Agent for Documenter {
    type Config = Config;
    type Input = Input;
    type Output = Outcome<Report, State>;

    fn run(task: Task<Config, Input>) -> Result<Self::Output, Failure> {
        let state = match task.state()? {
            Some(state) => state,
            None => State::begin(Path::new("."), &task.objective, &task.config, &task.input)?,
        };
        document(state)
    }
}

impl State {
    /// The beginning of the work on a task whose files are below `root`.
    ///
    /// # Errors
    /// `docs` names nothing.
    pub fn begin(root: &Path, objective: &str, config: &Config, input: &Input) -> Result<Self, Failure> {
        let docs = match config.docs.clone() {
            Docs::One(glob) => vec![glob],
            Docs::Many(globs) => globs,
        };
        let wrong = |reason: String| Failure::invalid_input(format!("config, field `docs`: {reason}"));
        Globs::new(docs.iter().cloned()).map_err(|error| wrong(error.to_string()))?;
        if docs.is_empty() {
            return Err(wrong("it names no document".to_owned()));
        }
        let bench = Bench::at(root).writing_only(docs.iter().cloned());
        let message = brief(
            &bench,
            objective,
            &[
                ("What the change was for", &input.requirement),
                ("What was changed", &written(&input.changes)),
                ("Files that were changed", &input.files.join("\n")),
                ("Documents that you may write", &docs.join("\n")),
            ],
        );
        let mut conversation = config.conversation.begin(instructions(PROMPT, &config.instructions));
        open(&mut conversation, message)?;
        Ok(Self { talk: ToolLoop::new(conversation, config.conversation.bounds()), work: Work::at(bench) })
    }
}

/// Works until the documents are true again, or it is time for a fresh instance.
///
/// # Errors
/// The model does not do the work within its bounds.
pub fn document(mut state: State) -> Result<Outcome<Report, State>, Failure> {
    let tools = work::tools(change::tools(look::tools(Tools::new())));
    match state.talk.run(&tools, &mut state.work)? {
        Ended::Renew => return Ok(Outcome::ContinueAsNew(state)),
        // There is a tool that ends the work, so nothing else does.
        Ended::Finished | Ended::Said(_) => {}
    }
    let spent = state.talk.conversation.spent();
    let report = Report {
        files: state.work.bench.changed(),
        summary: state.work.summary,
        turns: spent.answers,
        tokens: spent.input_tokens.saturating_add(spent.output_tokens),
    };
    log::info(format!("{} documents changed: {}", report.files.len(), shortened(&report.summary, 300)));
    Ok(Outcome::Completed(report))
}

#[cfg(test)]
mod tests {
    use longhaul_sdk::{
        FailureKind,
        testing::{Answer, Host},
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_changed_and_code_is_not() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("README.md"), "Counts lines.\n").unwrap();
        std::fs::write(root.path().join("lib.rs"), "pub fn words() {}\n").unwrap();
        let host = Host::new();
        host.answers([
            Answer::call("write_file", json!({"path": "lib.rs", "content": ""})),
            Answer::call("edit", json!({"path": "README.md", "old": "lines.", "new": "lines and words."})),
            Answer::call("finish", json!({"summary": "The README tells of words"})),
        ]);
        let config: Config = serde_json::from_value(json!({"docs": ["README.md", "docs/**"]})).unwrap();
        let input =
            serde_json::from_value(json!({"changes": {"summary": "words() is new"}, "files": ["lib.rs"]})).unwrap();
        let state = State::begin(root.path(), "", &config, &input).unwrap();
        let Outcome::Completed(report) = document(state).unwrap() else { panic!("nothing is old or full here") };
        assert_eq!(report.files, ["README.md"]);
        assert_eq!(std::fs::read_to_string(root.path().join("README.md")).unwrap(), "Counts lines and words.\n");
        assert_eq!(std::fs::read_to_string(root.path().join("lib.rs")).unwrap(), "pub fn words() {}\n");
        let asked = format!("{:?}", host.chats()[0].messages);
        assert!(asked.contains("words() is new") && asked.contains("README.md\\ndocs/**"), "{asked}");
        assert!(format!("{:?}", host.chats()[1].messages).contains("is not yours to write"));
    }

    #[test]
    fn without_documents_there_is_no_work() {
        for docs in [json!([]), json!(["/etc/*"])] {
            let config: Config = serde_json::from_value(json!({ "docs": docs })).unwrap();
            let failure = State::begin(Path::new("/nowhere"), "", &config, &Input::default()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::InvalidInput);
        }
    }
}
