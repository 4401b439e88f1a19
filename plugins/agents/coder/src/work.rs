//! The work: the loop around the model, the commands that verify what it did, and the report.

use std::path::Path;

use longhaul_sdk::{Ended, Failure, Outcome, ToolLoop, Tools, context, log, shortened};
use serde::{Deserialize, Serialize};
use serde_json::json;
use workbench::{Bench, CommandConfig, Ran, Work, brief, change, execute, look, open, run, work, written};

use crate::config::{Config, Input};

/// What the model is told.
const PROMPT: &str = include_str!("../prompts/coder.md");

/// What it is told when its work does not pass.
const NOT_YET: &str = include_str!("../prompts/verify.md");

/// How often the model may mend what was found, where nothing is said.
const ROUNDS: u32 = 3;

/// The most bytes that a failed command says to the model, and to a person.
const MAX_SAID: usize = 12_000;

/// How far the work is; it goes along when the agent goes on as new.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    talk: ToolLoop,
    work: Work,
    /// How often the work was verified and did not pass.
    rounds: u32,
}

/// The agent's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was done, in the model's words.
    pub summary: String,
    /// The files that its tools changed.
    pub files: Vec<String>,
    /// The commands that were run, those that verify included.
    pub commands: Vec<Ran>,
    /// Whether commands verified the work.
    pub verified: bool,
    /// How often the work was verified.
    pub rounds: u32,
    /// Answers of the model.
    pub turns: u64,
    /// Tokens that it read and wrote.
    pub tokens: u64,
}

impl State {
    /// The beginning of the work on a task whose files are below `root`.
    ///
    /// # Errors
    /// What the task is given beside its input cannot be read.
    pub fn begin(root: &Path, objective: &str, config: &Config, input: &Input) -> Result<Self, Failure> {
        let bench = Bench::at(root);
        let verify = config.verify.iter().map(|argv| format!("- {}\n", argv.join(" "))).collect::<String>();
        let message = brief(
            &bench,
            objective,
            &[
                ("Requirement", &input.requirement),
                ("Plan", &written(&input.plan)),
                ("Found wrong with earlier work", &written(&input.feedback)),
                ("Files to begin with", &input.files.join("\n")),
                ("Commands that verify the work", &verify),
            ],
        );
        let mut conversation = config.conversation.begin(workbench::instructions(PROMPT, &config.instructions));
        open(&mut conversation, message)?;
        let talk = ToolLoop::new(conversation, config.conversation.bounds());
        Ok(Self { talk, work: Work::at(bench), rounds: 0 })
    }
}

/// Works until the requirement is met and verified, or it is time for a fresh instance.
///
/// # Errors
/// The model does not do the work within its bounds; or what it did does not pass, however often it mends it.
pub fn work(config: &Config, mut state: State) -> Result<Outcome<Report, State>, Failure> {
    let tools = tools(config);
    loop {
        match state.talk.run(&tools, &mut state.work)? {
            Ended::Renew => return Ok(Outcome::ContinueAsNew(state)),
            // There is a tool that ends the work, so nothing else does.
            Ended::Finished | Ended::Said(_) => {}
        }
        state.rounds += 1;
        let Some(wrong) = verify(config, &mut state.work.bench)? else { break };
        if state.rounds > config.verify_rounds.unwrap_or(ROUNDS) {
            return Err(wrong.failure(&state));
        }
        log::warn(format!("`{}` does not pass ({}); the model is to mend it", wrong.command, wrong.ended));
        let Wrong { command, ended, output } = wrong;
        state.talk.conversation.say(format!("{NOT_YET}\n`{command}` ended with {ended}:\n\n{output}"));
    }
    let report = report(config, state);
    log::info(format!(
        "{} files changed in {} turns: {}",
        report.files.len(),
        report.turns,
        shortened(&report.summary, 300)
    ));
    Ok(Outcome::Completed(report))
}

fn tools(config: &Config) -> Tools<Work> {
    let tools = change::tools(look::tools(Tools::new()));
    work::tools(run::tools(tools, &config.commands, config.command_timeout))
}

/// A command that did not pass.
struct Wrong {
    command: String,
    ended: String,
    output: String,
}

impl Wrong {
    fn failure(self, state: &State) -> Failure {
        let Self { command, ended, output } = self;
        let first = output.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Failure::validation(format!(
            "the work does not pass `{command}` ({ended}) after {} rounds: {}",
            state.rounds,
            shortened(first, 300)
        ))
        .with_detail(json!({
            "command": command, "ended": ended, "output": output,
            "summary": shortened(&state.work.summary, MAX_SAID), "files": state.work.bench.changed(),
        }))
    }
}

/// Runs the commands that verify the work, up to the first that fails.
fn verify(config: &Config, bench: &mut Bench) -> Result<Option<Wrong>, Failure> {
    for (done, argv) in config.verify.iter().enumerate() {
        let command = argv.join(" ");
        context::progress(done as u64, Some(config.verify.len() as u64), format!("verify: {command}"));
        let timeout = config.command_timeout;
        let outcome = execute(&CommandConfig { run: argv.clone(), timeout, ..CommandConfig::default() })
            .map_err(|error| Failure::from(error).context(format!("`{command}` was to verify the work")))?;
        bench.note(argv, outcome.ended.clone());
        if !outcome.success {
            let output = shortened(&outcome.output(), MAX_SAID);
            return Ok(Some(Wrong { command, ended: outcome.ended, output }));
        }
    }
    Ok(None)
}

fn report(config: &Config, state: State) -> Report {
    let spent = state.talk.conversation.spent();
    Report {
        files: state.work.bench.changed(),
        summary: state.work.summary,
        commands: state.work.bench.ran,
        verified: !config.verify.is_empty(),
        rounds: state.rounds,
        turns: state.talk.turns(),
        tokens: spent.input_tokens.saturating_add(spent.output_tokens),
    }
}

#[cfg(test)]
mod tests {
    use longhaul_sdk::{
        FailureKind,
        testing::{Answer, Host, ran},
    };
    use serde_json::Value;

    use super::*;

    fn project() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("src")).unwrap();
        std::fs::write(root.path().join("src/lib.rs"), "pub fn two() -> u32 {\n    3\n}\n").unwrap();
        root
    }

    fn config(json: Value) -> Config {
        serde_json::from_value(json).unwrap()
    }

    fn requirement() -> Input {
        serde_json::from_value(json!({"requirement": "two() has to be 2", "plan": {"step": "mend src/lib.rs"}}))
            .unwrap()
    }

    /// A host on which `cargo test` passes as soon as the file says 2.
    fn cargo(root: &tempfile::TempDir) -> Host {
        let (host, file) = (Host::new(), root.path().join("src/lib.rs"));
        host.on_command(move |_| match std::fs::read_to_string(&file).unwrap().contains("    2\n") {
            true => Ok(ran(0, "ok", "")),
            false => Ok(ran(101, "", "assertion failed: two() == 2")),
        });
        host
    }

    fn edit(old: &str, new: &str) -> Answer {
        Answer::call("edit", json!({"path": "src/lib.rs", "old": old, "new": new}))
    }

    fn finish(summary: &str) -> Answer {
        Answer::call("finish", json!({ "summary": summary }))
    }

    fn done(root: &tempfile::TempDir, config: &Config) -> Result<Report, Failure> {
        match work(config, State::begin(root.path(), "be correct", config, &requirement())?)? {
            Outcome::Completed(report) => Ok(report),
            Outcome::ContinueAsNew(_) => panic!("nothing is old or full here"),
        }
    }

    #[test]
    fn a_change_that_passes_is_reported_with_its_files_and_commands() {
        let root = project();
        let host = cargo(&root);
        host.answers([
            Answer::call("read_file", json!({"path": "src/lib.rs"})),
            edit("    3\n", "    2\n"),
            Answer::call("run", json!({"command": ["cargo", "test", "two"]})),
            finish("two() is 2 now"),
        ]);
        let config = config(json!({"verify": [["cargo", "test"]], "commands": [["cargo", "test"]]}));
        let report = done(&root, &config).unwrap();
        assert_eq!((report.files, report.summary.as_str()), (vec!["src/lib.rs".to_owned()], "two() is 2 now"));
        assert_eq!((report.verified, report.rounds, report.turns), (true, 1, 4));
        let ran: Vec<usize> = report.commands.iter().map(|ran| ran.argv.len()).collect();
        assert_eq!(ran, [3, 2]);
        let asked = format!("{:?}", host.chats()[0].messages);
        for wanted in ["two() has to be 2", "be correct", "mend src/lib.rs", "- cargo test", "src/lib.rs"] {
            assert!(asked.contains(wanted), "{wanted}: {asked}");
        }
    }

    #[test]
    fn what_does_not_pass_goes_back_to_the_model_with_what_was_printed() {
        let root = project();
        let host = cargo(&root);
        host.answers([
            edit("    3\n", "    4\n"),
            finish("done"),
            edit("    3\n", "    2\n"),
            edit("    4\n", "    2\n"),
            finish("really done"),
        ]);
        let report = done(&root, &config(json!({"verify": [["cargo", "test"]]}))).unwrap();
        assert_eq!((report.rounds, report.summary.as_str()), (2, "really done"));
        let asked = format!("{:?}", host.chats()[2].messages);
        assert!(asked.contains("assertion failed: two() == 2") && asked.contains("exit 101"), "{asked}");
        let refused = format!("{:?}", host.chats()[3].messages);
        assert!(refused.contains("`old` is not in src/lib.rs"), "{refused}");
        assert!(host.log().iter().any(|line| line.contains("does not pass")));
    }

    #[test]
    fn work_that_never_passes_fails_with_its_last_output() {
        let root = project();
        let host = cargo(&root);
        let mut number = 10;
        host.on_chat(move |request| {
            number += 1;
            let change =
                edit(&format!("    {}\n", if number == 11 { 3 } else { number - 1 }), &format!("    {number}\n"));
            let Value::String(summary) = json!(format!("try {number}")) else { unreachable!() };
            change.and_call("finish", json!({ "summary": summary })).to(request)
        });
        let failure = done(&root, &config(json!({"verify": [["cargo", "test"]], "verify_rounds": 2}))).unwrap_err();
        assert_eq!((failure.kind, host.chats().len()), (FailureKind::Validation, 3));
        assert!(failure.message.contains("after 3 rounds: assertion failed"), "{}", failure.message);
        assert_eq!(failure.detail.unwrap()["files"], json!(["src/lib.rs"]));
    }

    #[test]
    fn a_command_that_may_not_be_run_is_told_to_the_operator_and_not_to_the_model() {
        let root = project();
        let host = Host::new();
        host.answers([finish("done")]);
        let failure = done(&root, &config(json!({"verify": [["make"]]}))).unwrap_err();
        assert!(failure.message.starts_with("`make` was to verify the work: "), "{}", failure.message);
        assert_eq!(host.chats().len(), 1);
    }

    #[test]
    fn only_what_is_configured_can_be_run_and_nothing_without() {
        let names =
            |config: &Config| -> Vec<String> { tools(config).offers().iter().map(|tool| tool.name.clone()).collect() };
        assert_eq!(names(&config(json!({}))), ["read_file", "list_files", "search", "edit", "write_file", "finish"]);
        assert!(names(&config(json!({"commands": [["make"]]}))).contains(&"run".to_owned()));
    }

    #[test]
    fn an_agent_that_grows_old_goes_on_in_the_next_instance_with_what_it_changed() {
        let root = project();
        let host = cargo(&root);
        host.on_chat(|request| {
            context::pause(context::RENEW_AFTER);
            edit("    3\n", "    2\n").to(request)
        });
        let config = config(json!({"verify": [["cargo", "test"]]}));
        let first = work(&config, State::begin(root.path(), "", &config, &requirement()).unwrap()).unwrap();
        let Outcome::ContinueAsNew(state) = first else { panic!("it is too old") };
        let state: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        host.set_age(std::time::Duration::ZERO);
        host.answers([finish("done")]);
        let Outcome::Completed(report) = work(&config, state).unwrap() else { panic!("it is young") };
        assert_eq!((report.files, report.turns), (vec!["src/lib.rs".to_owned()], 2));
        let asked = format!("{:?}", host.chats().last().unwrap().messages);
        assert!(asked.contains("src/lib.rs is changed in line 2"), "{asked}");
    }
}
