//! What to run, as it is written in the configuration.

use longhaul_sdk::{Failure, Span, files::Globs};
use serde::Deserialize;
use serde_json::Value;
use workbench::CommandConfig;

/// How many failed tests are listed one by one unless the configuration says otherwise.
const MAX_REPORTED: usize = 50;

/// The agent's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    commands: Vec<Entry>,
    #[serde(default = "yes")]
    pub(crate) fail: bool,
    #[serde(default = "yes")]
    pub(crate) keep_going: bool,
    #[serde(default = "most")]
    pub(crate) max_reported: usize,
}

fn yes() -> bool {
    true
}

fn most() -> usize {
    MAX_REPORTED
}

/// The task's input. As a validator the agent is given `task` and `output`, and looks at the files alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The names of the commands to run; all of them where none are given.
    #[serde(default)]
    pub only: Vec<String>,
    #[serde(default, rename = "task")]
    _task: Value,
    #[serde(default, rename = "output")]
    _output: Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a list of the program and its arguments, or an object with `run` and the other fields of a command"
)]
enum Entry {
    Argv(Vec<String>),
    Full(Box<Full>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    run: Vec<String>,
    name: Option<String>,
    #[serde(default)]
    tests: Form,
    report: Option<Globs>,
    cwd: Option<String>,
    #[serde(default)]
    env: std::collections::BTreeMap<String, String>,
    timeout: Option<Span>,
    #[serde(default)]
    once: bool,
}

/// In which form a command tells its test results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// By the command: what its program is known for.
    #[default]
    Auto,
    /// What Rust's test programs print.
    Cargo,
    /// What `go test -json` prints.
    Go,
    /// What pytest prints.
    Pytest,
    /// Files in JUnit's form.
    Junit,
    /// Not at all: only how the command ends counts.
    None,
}

/// A command that is ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) command: CommandConfig,
    pub(crate) form: Form,
    pub(crate) report: Globs,
}

impl Config {
    /// The commands that the input asks for.
    pub(crate) fn steps(&self, input: &Input) -> Result<Vec<Step>, Failure> {
        let steps = self.commands.iter().enumerate().map(|(index, entry)| {
            Step::new(entry.clone())
                .map_err(|wrong| Failure::invalid_input(format!("config, field `commands[{index}]`: {wrong}")))
        });
        let steps = steps.collect::<Result<Vec<_>, _>>()?;
        if let Some(unknown) = input.only.iter().find(|name| !steps.iter().any(|step| step.name == **name)) {
            let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
            return Err(Failure::invalid_input(format!(
                "input, field `only`: there is no command `{unknown}`; there are {}",
                names.join(", ")
            )));
        }
        let wanted = |step: &Step| input.only.is_empty() || input.only.contains(&step.name);
        let steps: Vec<Step> = steps.into_iter().filter(wanted).collect();
        match steps.is_empty() {
            true => Err(Failure::invalid_input("config, field `commands`: there is nothing to run")),
            false => Ok(steps),
        }
    }
}

impl Step {
    fn new(entry: Entry) -> Result<Self, String> {
        let full = match entry {
            Entry::Full(full) => *full,
            Entry::Argv(run) => Full {
                run,
                name: None,
                tests: Form::Auto,
                report: None,
                cwd: None,
                env: Default::default(),
                timeout: None,
                once: false,
            },
        };
        if full.run.first().is_none_or(String::is_empty) {
            return Err("it names no program".to_owned());
        }
        let form = match full.tests {
            Form::Auto => known(&full.run, full.report.is_some()),
            form => form,
        };
        if (form == Form::Junit) != full.report.is_some() {
            return Err(
                "`report` names files in JUnit's form: it goes with `tests: junit`, and that needs it".to_owned()
            );
        }
        Ok(Self {
            name: full.name.unwrap_or_else(|| full.run.join(" ")),
            form,
            report: full.report.unwrap_or_default(),
            command: CommandConfig {
                run: full.run,
                cwd: full.cwd,
                env: full.env,
                timeout: full.timeout,
                once: full.once,
            },
        })
    }
}

/// The form that a command is known for.
fn known(argv: &[String], has_report: bool) -> Form {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    match words.as_slice() {
        _ if has_report => Form::Junit,
        ["cargo", rest @ ..] if rest.contains(&"test") => Form::Cargo,
        ["go", "test", rest @ ..] if rest.contains(&"-json") => Form::Go,
        ["pytest", ..] | ["python" | "python3", "-m", "pytest", ..] => Form::Pytest,
        _ => Form::None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn steps(commands: Value, only: &[&str]) -> Result<Vec<Step>, String> {
        let config: Config = serde_json::from_value(json!({ "commands": commands })).map_err(|e| e.to_string())?;
        let input = Input { only: only.iter().map(|name| (*name).to_owned()).collect(), ..Input::default() };
        config.steps(&input).map_err(|failure| failure.message)
    }

    #[test]
    fn a_command_is_a_list_or_an_object_and_its_form_is_known() {
        let commands = json!([
            ["cargo", "+stable", "test", "--all"],
            ["go", "test", "-json", "./..."],
            ["go", "test"],
            ["python3", "-m", "pytest"],
            { "run": ["make", "check"], "name": "check", "report": "out/*.xml" },
            { "run": ["cargo", "test"], "tests": "none", "timeout": "5m" },
        ]);
        let forms: Vec<Form> = steps(commands.clone(), &[]).unwrap().iter().map(|step| step.form).collect();
        assert_eq!(forms, [Form::Cargo, Form::Go, Form::None, Form::Pytest, Form::Junit, Form::None]);
        assert_eq!(steps(commands, &["check"]).unwrap().len(), 1);
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_place() {
        for (commands, only, wanted) in [
            (json!([]), &[][..], "nothing to run"),
            (json!([[]]), &[], "commands[0]"),
            (json!([["a"]]), &["b"], "there are a"),
            (json!([{ "run": ["a"], "tests": "junit" }]), &[], "`report`"),
            (json!([{ "run": ["a"], "tests": "cargo", "report": "x" }]), &[], "`report`"),
            (json!([{ "rnu": ["a"] }]), &[], "an object with `run`"),
        ] {
            let error = steps(commands.clone(), only).unwrap_err();
            assert!(error.contains(wanted), "{commands}: {error}");
        }
    }

    #[test]
    fn what_a_validator_is_given_is_taken() {
        let input: Input = serde_json::from_value(json!({"task": "change", "output": {"files": []}})).unwrap();
        assert!(input.only.is_empty());
    }
}
