//! Has the plan made: the model looks, then plans, and is told what makes no sense in its plan until it does.

use std::path::Path;

use longhaul_sdk::{Ended, Failure, Outcome, ToolLoop, Tools, context, files, log};
use serde::{Deserialize, Serialize};
use workbench::{Bench, brief, instructions, look, open, written};

use crate::{
    config::{Config, Input},
    plan::{Plan, Planned},
};

/// What the model is told.
const PROMPT: &str = include_str!("../prompts/architect.md");

/// How it is asked for the plan.
const NOW_PLAN: &str = include_str!("../prompts/plan.md");

/// How often a plan may make no sense.
const TRIES: usize = 3;

/// The most characters of a design's file name.
const MAX_FILE_NAME: usize = 60;

/// How far the work is; it goes along when the agent goes on as new.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    talk: ToolLoop,
    bench: Bench,
}

/// The agent's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What is built, in one line.
    pub title: String,
    /// The design, as Markdown.
    pub design: String,
    /// The file that the design was written to.
    pub file: Option<String>,
    /// The steps, each behind those that it needs.
    pub tasks: Vec<Planned>,
    /// Answers of the model.
    pub turns: u64,
    /// Tokens that it read and wrote.
    pub tokens: u64,
}

impl State {
    /// The beginning of the work on a task whose files are below `root`.
    ///
    /// # Errors
    /// Nobody says what is to be built.
    pub fn begin(root: &Path, objective: &str, config: &Config, input: &Input) -> Result<Self, Failure> {
        if input.requirement.trim().is_empty() && input.goal.is_null() && objective.trim().is_empty() {
            return Err(Failure::invalid_input(
                "input, field `requirement`: nothing says what is to be built; give it, or give the workflow an `objective`",
            ));
        }
        let bench = Bench::at(root);
        let agents: String = config.agents.iter().map(|(name, good_at)| format!("- `{name}`: {good_at}\n")).collect();
        let most = format!("A plan has at most {} tasks.", config.max_tasks);
        let message = brief(
            &bench,
            objective,
            &[
                ("Requirement", &input.requirement),
                ("How far the goal is", &written(&input.goal)),
                ("Who can be given tasks", &agents),
                ("Files to begin with", &input.files.join("\n")),
                ("Bounds", &most),
            ],
        );
        let mut conversation = config.conversation.begin(instructions(PROMPT, &config.instructions));
        open(&mut conversation, message)?;
        Ok(Self { talk: ToolLoop::new(conversation, config.conversation.bounds()), bench })
    }
}

/// Works until the plan makes sense, or it is time for a fresh instance.
///
/// # Errors
/// The model makes no plan within its bounds, or the design cannot be written.
pub fn work(root: &Path, config: &Config, mut state: State) -> Result<Outcome<Report, State>, Failure> {
    if config.explore {
        match state.talk.run(&look::tools(Tools::new()), &mut state.bench)? {
            Ended::Renew => return Ok(Outcome::ContinueAsNew(state)),
            Ended::Said(found) => log::info(format!("what it found: {found}")),
            // No tool ends the work here.
            Ended::Finished => {}
        }
    }
    let looked = state.talk.turns();
    let conversation = &mut state.talk.conversation;
    context::progress(looked, None, "planning");
    conversation.say(NOW_PLAN);
    let mut tries = 0;
    let (plan, tasks) = loop {
        tries += 1;
        let plan: Plan = conversation.ask_for()?;
        match plan.ordered(config) {
            Ok(tasks) => break (plan, tasks),
            Err(wrong) if tries == TRIES => {
                return Err(Failure::validation(format!("the model's plan makes no sense, {TRIES} times: {wrong}")));
            }
            Err(wrong) => {
                log::warn(format!("the plan makes no sense: {wrong}"));
                conversation.say(format!("The plan makes no sense: {wrong}. Write the whole plan again."));
            }
        }
    };
    let spent = conversation.spent();
    let file = config.design.as_deref().map(|folder| write_design(root, folder, &plan)).transpose()?;
    log::info(format!("{}: {} tasks", plan.title, tasks.len()));
    Ok(Outcome::Completed(Report {
        title: plan.title,
        design: plan.design,
        file,
        tasks,
        turns: spent.answers,
        tokens: spent.input_tokens.saturating_add(spent.output_tokens),
    }))
}

/// Writes the design into its folder; gives the path.
fn write_design(root: &Path, folder: &str, plan: &Plan) -> Result<String, Failure> {
    let folder = folder.trim_matches('/');
    let path = format!("{folder}/{}.md", file_name(&plan.title));
    let place = root.join(&path);
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder).map_err(|error| files::naming(folder, error))?;
    }
    files::write(&place, format!("# {}\n\n{}\n", plan.title.trim(), plan.design.trim()))?;
    Ok(path)
}

/// A title as a file name: its letters and digits, with hyphens between the words.
fn file_name(title: &str) -> String {
    let plain: String =
        title.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    let name = plain.split_whitespace().collect::<Vec<_>>().join("-");
    let name: String = name.chars().take(MAX_FILE_NAME).collect();
    match name.trim_end_matches('-') {
        "" => "design".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use longhaul_sdk::{
        FailureKind,
        testing::{Answer, Host},
    };
    use serde_json::{Value, json};

    use super::*;

    fn planned(root: &Path, config: Value, input: Value) -> Result<Report, Failure> {
        let config: Config = serde_json::from_value(config).unwrap();
        let state = State::begin(root, "", &config, &serde_json::from_value(input).unwrap())?;
        match work(root, &config, state)? {
            Outcome::Completed(report) => Ok(report),
            Outcome::ContinueAsNew(_) => panic!("nothing is old or full here"),
        }
    }

    fn plan(tasks: Value) -> Answer {
        Answer::text(json!({"title": "Count words: as `wc -w`", "design": "A function.", "tasks": tasks}).to_string())
    }

    #[test]
    fn a_plan_is_made_after_looking_and_its_design_written_down() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("lib.rs"), "pub fn lines() {}\n").unwrap();
        let host = Host::new();
        host.answers([
            Answer::call("read_file", json!({"path": "lib.rs"})),
            Answer::text("There is one function."),
            plan(json!([{"name": "count", "requirement": "words() counts", "files": ["lib.rs"], "agent": "coder"}])),
        ]);
        let config = json!({"design": "docs/design", "agents": {"coder": "writes Rust"}});
        let report = planned(root.path(), config, json!({"requirement": "count words"})).unwrap();
        assert_eq!(report.file.as_deref(), Some("docs/design/count-words-as-wc-w.md"));
        let design = std::fs::read_to_string(root.path().join("docs/design/count-words-as-wc-w.md")).unwrap();
        assert_eq!(design, "# Count words: as `wc -w`\n\nA function.\n");
        let task = serde_json::to_value(&report.tasks[0]).unwrap();
        assert_eq!(
            task,
            json!({"name": "count", "agent": "coder", "needs": [],
            "with": {"requirement": "words() counts", "files": ["lib.rs"]}})
        );
        assert_eq!(report.turns, 3);
        let asked = format!("{:?}", host.chats()[0].messages);
        assert!(asked.contains("count words") && asked.contains("`coder`: writes Rust"), "{asked}");
        assert!(host.chats()[2].tools.is_empty(), "a plan is an answer and no call");
    }

    #[test]
    fn a_plan_that_makes_no_sense_is_told_and_given_up_at_last() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new();
        let bad = || plan(json!([{"name": "a", "requirement": "x", "needs": ["b"]}]));
        let config = json!({"explore": false});
        host.answers([bad(), plan(json!([]))]);
        let report = planned(root.path(), config.clone(), json!({"goal": {"round": 2}})).unwrap();
        assert_eq!((report.tasks.len(), report.file), (0, None));
        assert!(format!("{:?}", host.chats()[1].messages).contains("needs `b`"));

        host.answers([bad(), bad(), bad()]);
        let failure = planned(root.path(), config, json!({"requirement": "x"})).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Validation);
        assert!(failure.message.contains("needs `b`"), "{}", failure.message);
    }

    #[test]
    fn without_anything_to_build_the_model_is_not_asked() {
        let host = Host::new();
        let failure = planned(Path::new("/nowhere"), json!({}), json!({})).unwrap_err();
        assert_eq!((failure.kind, host.chats().len()), (FailureKind::InvalidInput, 0));
    }

    #[test]
    fn a_title_of_any_characters_is_a_file_name() {
        for (title, name) in [("../../etc/passwd", "etc-passwd"), ("Zähle Wörter", "z-hle-w-rter"), ("…", "design")]
        {
            assert_eq!(file_name(title), name);
        }
        assert!(file_name(&"long ".repeat(100)).len() <= MAX_FILE_NAME);
    }
}
