//! Other programs, started so that a failure tells which one failed, how, and what it printed last.
//!
//! [`show`] lets a program talk to the terminal itself, [`capture`] returns what it printed, and
//! [`capture_within`] also kills it when it takes longer than it may.

use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How many of the last lines of a failed program an error repeats.
const LINES_REPEATED: usize = 12;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("`{program}` could not be started; check that it is installed and on PATH")]
    Start { program: String, source: io::Error },
    #[error("`{command}` could not be watched")]
    Watch { command: String, source: io::Error },
    #[error("`{command}` ended with {status}{said}")]
    Failed { command: String, status: ExitStatus, said: Said },
    #[error("`{command}` was stopped because it took longer than {} s", limit.as_secs())]
    TooLong { command: String, limit: Duration },
}

/// The last lines a failed program printed.
#[derive(Debug)]
pub(crate) struct Said(String);

impl std::fmt::Display for Said {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<&str> = self.0.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(LINES_REPEATED)..];
        if !last.is_empty() {
            formatter.write_str(":")?;
        }
        last.iter().try_for_each(|line| write!(formatter, "\n      {line}"))
    }
}

/// Runs a program on the terminal of the caller.
pub(crate) fn show(command: &mut Command) -> Result<(), ProcessError> {
    let status = command.status().map_err(|source| start_error(command, source))?;
    if status.success() { Ok(()) } else { Err(failed(command, status, String::new())) }
}

/// Runs a program and returns its standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String, ProcessError> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| start_error(command, source))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(command, output.status, String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

/// Runs a program that may take `limit` at most; it is killed when it takes longer.
///
/// Only the program itself is killed, not what it started in turn.
pub(crate) fn capture_within(command: &mut Command, limit: Duration) -> Result<String, ProcessError> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| start_error(command, source))?;
    let (sender, receiver) = mpsc::channel();
    let out = child.stdout.take();
    let err = child.stderr.take();
    // Both pipes close when the program ends, so the message doubles as the news of its end. The thread is
    // not joined: after a kill, a grandchild may hold the pipes open for as long as it likes.
    thread::spawn(move || {
        let reader = thread::spawn(move || drain(err));
        let out = drain(out);
        let err = reader.join().unwrap_or_default();
        // The receiver is gone when the limit has passed; nobody wants the output then.
        let _ = sender.send((out, err));
    });
    let said = receiver.recv_timeout(limit);
    let watch = |source| ProcessError::Watch { command: shown(command), source };
    let Ok((out, err)) = said else {
        child.kill().map_err(watch)?;
        child.wait().map_err(watch)?;
        return Err(ProcessError::TooLong { command: shown(command), limit });
    };
    let status = child.wait().map_err(watch)?;
    if status.success() { Ok(out) } else { Err(failed(command, status, err)) }
}

fn drain(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What was read before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn start_error(command: &Command, source: io::Error) -> ProcessError {
    ProcessError::Start { program: command.get_program().to_string_lossy().into_owned(), source }
}

fn failed(command: &Command, status: ExitStatus, said: String) -> ProcessError {
    ProcessError::Failed { command: shown(command), status, said: Said(said) }
}

/// A command as one would type it, shortened after its first few words.
fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    let mut words = vec![program];
    let mut arguments = command.get_args().map(|argument| argument.to_string_lossy());
    words.extend(arguments.by_ref().take(6).map(std::borrow::Cow::into_owned));
    if arguments.next().is_some() {
        words.push("…".to_owned());
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_repeats_what_the_program_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo fine; echo 'no such mirror' >&2; exit 3"]);
        let message = capture(&mut command).unwrap_err().to_string();
        assert!(message.contains("exit status: 3") && message.contains("no such mirror"), "{message}");
    }

    #[test]
    fn a_program_that_takes_too_long_is_stopped() {
        let mut command = Command::new("sleep");
        command.arg("3600");
        let error = capture_within(&mut command, Duration::from_millis(20)).unwrap_err();
        assert!(matches!(error, ProcessError::TooLong { .. }), "{error}");
    }

    #[test]
    fn a_program_within_its_time_gives_its_output() {
        let mut command = Command::new("echo");
        command.arg("done");
        assert_eq!(capture_within(&mut command, Duration::from_secs(60)).unwrap(), "done\n");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = capture(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"), "{error}");
    }
}
