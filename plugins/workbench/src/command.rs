//! Commands, as a configuration writes them and as they end.

use std::time::Duration;

use longhaul_sdk::{
    Error, Span,
    exec::{self, Command, Completed, ExitStatus},
};
use serde::Deserialize;

/// The most bytes of each stream that are looked at.
const MAX_OUTPUT: u64 = 4 << 20;

/// A command of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommandConfig {
    /// The program and its arguments.
    pub run: Vec<String>,
    /// The folder to start in.
    pub cwd: Option<String>,
    /// Environment variables.
    pub env: std::collections::BTreeMap<String, String>,
    /// The most time that it may take.
    pub timeout: Option<Span>,
    /// That running it twice does the same as running it once is what tests are like; a deployment says false.
    pub once: bool,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Whether it ended by itself with code 0.
    pub success: bool,
    /// `exit 0`, `signal 9`, `timed out`.
    pub ended: String,
    /// Its standard output, as text.
    pub stdout: String,
    /// Its standard error, as text.
    pub stderr: String,
    /// Whether either of them was cut.
    pub truncated: bool,
    /// The time that it took.
    pub duration: Duration,
}

/// Runs a command to its end.
///
/// # Errors
/// It is not granted, or could not be started.
pub fn execute(config: &CommandConfig) -> Result<Outcome, Error> {
    let command = Command {
        env: config.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        cwd: config.cwd.clone(),
        timeout: config.timeout.map(Span::as_millis),
        max_output: Some(MAX_OUTPUT),
        idempotent: !config.once,
        ..Command::new(config.run.iter().cloned())
    };
    exec::run(&command).map(Outcome::from)
}

impl From<Completed> for Outcome {
    fn from(completed: Completed) -> Self {
        let ended = match completed.status {
            ExitStatus::Code(code) => format!("exit {code}"),
            ExitStatus::Signal(signal) => format!("signal {signal}"),
            ExitStatus::TimedOut => "timed out".to_owned(),
        };
        Self {
            success: completed.success(),
            ended,
            stdout: plain(&completed.stdout),
            stderr: plain(&completed.stderr),
            truncated: completed.truncated,
            duration: Duration::from_millis(completed.duration),
        }
    }
}

impl Outcome {
    /// What it printed: the errors, then the rest.
    pub fn output(&self) -> String {
        let cut = if self.truncated { "\n[the output was longer]" } else { "" };
        match (self.stdout.trim_end(), self.stderr.trim_end()) {
            ("", "") => "(it printed nothing)".to_owned(),
            (out, "") => format!("{out}{cut}"),
            ("", errors) => format!("{errors}{cut}"),
            (out, errors) => format!("{errors}\n{out}{cut}"),
        }
    }
}

/// Text without the sequences that colour a terminal.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains('\u{1b}') {
        return text.into_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(start) = rest.find('\u{1b}') {
        plain.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        if let Some(sequence) = rest.strip_prefix('[') {
            let end = sequence.find(|end: char| ('@'..='~').contains(&end)).map_or(sequence.len(), |end| end + 1);
            rest = &sequence[end..];
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use longhaul_sdk::testing::{Host, ran};

    use super::*;

    #[test]
    fn a_command_is_asked_for_as_it_is_configured() {
        let host = Host::new();
        host.on_command(|_| Ok(ran(1, "out\n", "\u{1b}[1;31merror\u{1b}[0m: no\n")));
        let config = serde_json::json!({"run": ["cargo", "test"], "timeout": "10m", "env": {"A": "b"}, "cwd": "sub"});
        let outcome = execute(&serde_json::from_value(config).unwrap()).unwrap();
        assert_eq!((outcome.success, outcome.ended.as_str()), (false, "exit 1"));
        assert_eq!(outcome.output(), "error: no\nout");
        let asked = host.commands().remove(0);
        assert_eq!((asked.timeout, asked.idempotent, asked.cwd.as_deref()), (Some(600_000), true, Some("sub")));
        assert_eq!(asked.env, [("A".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn colours_are_taken_out_also_where_they_are_cut() {
        assert_eq!(plain(b"a\x1b[32mb\x1b[0mc\x1b"), "abc");
        assert_eq!(plain(b"a\x1b[3"), "a");
    }
}
