//! The tool that runs commands: those that the configuration allows, each by the beginning of its arguments.

use longhaul_sdk::{Span, ToolError, Tools};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Bench, CommandConfig, execute};

/// Runs a command in the folder with the files, and tells how it ended and what it printed. There is no shell: each
/// argument is one text, and pipes and wildcards mean nothing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The program and its arguments, as in ["cargo", "test"]
    pub command: Vec<String>,
}

/// The tool, for the commands that begin like one of `allowed`; without any there is no tool.
#[must_use]
pub fn tools(tools: Tools<Bench>, allowed: &[Vec<String>], timeout: Option<Span>) -> Tools<Bench> {
    if allowed.is_empty() {
        return tools;
    }
    let allowed = allowed.to_vec();
    tools.with("run", move |bench: &mut Bench, arguments: Run| run(bench, &arguments.command, &allowed, timeout))
}

fn run(
    bench: &mut Bench,
    argv: &[String],
    allowed: &[Vec<String>],
    timeout: Option<Span>,
) -> Result<String, ToolError> {
    if !allowed.iter().any(|beginning| !beginning.is_empty() && argv.starts_with(beginning)) {
        let known: Vec<String> = allowed.iter().map(|beginning| beginning.join(" ")).collect();
        return Err(
            format!("`{}` may not be run; what may is what begins with: {}", argv.join(" "), known.join("; ")).into()
        );
    }
    let outcome = execute(&CommandConfig { run: argv.to_vec(), timeout, ..CommandConfig::default() })?;
    bench.note(argv, outcome.ended.clone());
    Ok(format!("{}\n{}", outcome.ended, outcome.output()))
}

#[cfg(test)]
mod tests {
    use longhaul_sdk::{
        Denial, Error,
        testing::{Host, ran},
    };

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_is_not_allowed_never_reaches_the_host_and_what_is_denied_is_told() {
        let host = Host::new();
        host.on_command(|command| match command.argv.last().map(String::as_str) {
            Some("publish") => Err(Error::Denied(Denial {
                capability: "exec".into(),
                resource: "cargo publish".into(),
                grant: "exec: [[\"cargo\", \"publish\"]]".into(),
                reason: "it is not given by the task".into(),
            })),
            _ => Ok(ran(101, "", "assertion failed")),
        });
        let (mut bench, allowed) = (Bench::new(), [words("cargo")]);
        let told = run(&mut bench, &words("cargo test"), &allowed, None).unwrap();
        assert_eq!(told, "exit 101\nassertion failed");
        assert_eq!(bench.ran[0].ended, "exit 101");
        for argv in [words("rm -rf x"), Vec::new(), words("cargotest")] {
            assert!(
                matches!(run(&mut bench, &argv, &allowed, None), Err(ToolError::Refused(why)) if why.contains("cargo"))
            );
        }
        assert_eq!(host.commands().len(), 1);
        let denied = run(&mut bench, &words("cargo publish"), &allowed, None);
        assert!(matches!(denied, Err(ToolError::Refused(why)) if why.contains("[\"cargo\", \"publish\"]")));
    }

    #[test]
    fn without_commands_there_is_no_tool() {
        assert_eq!(tools(Tools::new(), &[], None).offers(), []);
    }
}
