//! Commands: what a guest has run in a folder that shows its stage.
//!
//! ```text
//!   granted? ──► the ground is laid ──► the command runs ──► what it changed is taken into the stage ──► recorded
//!                                                            kept in the store as one tree ──────────────┘
//! ```
//!
//! A replay runs nothing: it is told the recorded answer, and the stage is brought to the same state from the tree.

use crate::audit::{Deed, Outward};
use crate::bindings::agent::longhaul::plugin::{exec, types};
use crate::guest::Guest;
use crate::host::short;
use longhaul_core::attempt::RecordError;
use longhaul_core::commands::{
    AROUND, Command, CommandLimits, ExitStatus, Follow, MAX_ARGUMENT_BYTES, MAX_ARGUMENTS, Ran, Site, Stream, run_in,
};
use longhaul_core::digest::Digest;
use longhaul_core::effect::{CallKind, KeyScope};
use longhaul_core::grant::{Capability, Denial, Party, Permissions};
use longhaul_core::path::StagePath;
use longhaul_core::reach::{Live, ServiceError};
use longhaul_core::units::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const OPERATION: &str = "run";
/// The most bytes that are handed back of each stream: both have to fit into an entry of the record as JSON.
const MAX_SHOWN: u64 = 512 << 10;
/// The most bytes of one variable's value, of all of them, and of its standard input that a person is shown of a command to approve.
const APPROVED_VALUE: usize = 1 << 10;
const APPROVED_ENV: usize = 16 << 10;
const APPROVED_STDIN: usize = 16 << 10;

impl exec::Host for Guest {
    async fn run(&mut self, command: exec::Command) -> wasmtime::Result<Result<exec::Completed, types::Error>> {
        let resource = command.argv.join(" ");
        let line = format!("exec: [{:?}]", command.argv);
        let argv = command.argv.clone();
        let gives = |permissions: &Permissions| permissions.gives_command(&argv);
        if let Err(denied) = self.granted(Capability::Exec, OPERATION, &resource, line, gives)? {
            return Ok(Err(denied));
        }
        if let Err(denied) = self.may_set(&command.env)? {
            return Ok(Err(denied));
        }
        self.meter.charge_call(command.stdin.as_ref().map_or(0, Vec::len));
        let idempotent = command.idempotent;
        let wanted = match wanted(command, &self.limits) {
            Ok(wanted) => wanted,
            Err(reason) => {
                self.audit.action(Deed::new(Capability::Exec, OPERATION, short(&resource)).failed(reason.clone()))?;
                return Ok(Err(types::Error::Invalid(reason)));
            }
        };
        let Some(commands) = self.reach.services.commands.clone() else {
            let reason = "this host runs no commands".to_owned();
            self.audit.action(Deed::new(Capability::Exec, OPERATION, short(&resource)).failed(reason.clone()))?;
            return Ok(Err(types::Error::Unavailable(reason)));
        };
        let request = wanted.request();
        if self.grant().approvals().command(&argv) {
            let detail = to_approve(&wanted);
            if let Err(rejected) = self.approved(Capability::Exec, OPERATION, &resource, detail, request).await? {
                return Ok(Err(rejected));
            }
        }
        let outward = Outward {
            capability: Capability::Exec,
            operation: OPERATION,
            resource: short(&resource),
            detail: wanted.detail(),
            request,
            kind: CallKind::Effect { idempotent, scope: KeyScope::Action },
        };
        let (ground, grant) = (Arc::clone(&self.reach.ground), self.grant().clone());
        let follow = Arc::new(Shown(Arc::clone(&self.reach.live)));
        let patience = wanted.limits.time.saturating_add(AROUND);
        let is_live = Arc::new(AtomicBool::new(false));
        let live = Arc::clone(&is_live);
        // How long it waits for caches is up to other commands, which have limits of their own; its attempt's time bounds that.
        let answer = self.ask_service(outward, Some(Duration::MAX), |_| async move {
            live.store(true, Ordering::Relaxed);
            let place = (ground.as_ref(), ground.claim().await);
            let ran = tokio::time::timeout(patience, run_in(commands.as_ref(), place, &grant, wanted, follow)).await;
            ran.unwrap_or(Err(ServiceError::TimedOut(patience)))
        });
        let text = match answer.await? {
            Ok(text) => text,
            Err(error) => return Ok(Err(error)),
        };
        let ran = Ran::read(&text).map_err(|error| {
            let reason = format!("the record of a command cannot be read: {error}");
            self.audit.fail(RecordError::Lost(reason))
        })?;
        if let Some(tree) = ran.taken.tree.filter(|_| !is_live.load(Ordering::Relaxed)) {
            self.reach.ground.put(tree).await.map_err(|error| {
                let reason = format!("what a command left cannot be had again: {error}");
                self.audit.fail(RecordError::Lost(reason))
            })?;
        }
        Ok(Ok(told(ran)))
    }
}

impl Guest {
    /// Whether all of these variables may be set. The manifest asks for commands; which variables they get is said by others.
    fn may_set(&mut self, env: &[(String, String)]) -> wasmtime::Result<Result<(), types::Error>> {
        for (name, value) in env {
            self.meter.charge_call(value.len());
            let given = |party: Party, names: &Option<Vec<String>>| {
                party == Party::Manifest || names.iter().flatten().any(|given| given == name)
            };
            let withheld = self.grant().layers().find(|(party, permissions)| !given(*party, &permissions.env));
            if let Some((party, _)) = withheld {
                let denial = Denial {
                    capability: Capability::Exec,
                    resource: short(&format!("env {name}")),
                    grant: format!("env: [{name:?}]"),
                    reason: format!("the variable is not given by {party}"),
                };
                return self.refused(OPERATION, denial);
            }
        }
        Ok(Ok(()))
    }
}

/// Checks what a guest asks for; the error names the argument.
fn wanted(command: exec::Command, limits: &longhaul_core::attempt::Limits) -> Result<Command, String> {
    let exec::Command { argv, env, cwd, stdin, timeout, max_output, idempotent: _ } = command;
    let Some(program) = argv.first().filter(|program| !program.is_empty()) else {
        return Err("`argv` has no program".to_owned());
    };
    if program.contains('/') && StagePath::new(program.trim_start_matches("./")).is_err() {
        return Err(format!(
            "`argv`: the program `{}` is neither a name nor a path in the stage",
            program.chars().take(200).collect::<String>()
        ));
    }
    let bytes: usize = argv.iter().map(|argument| argument.len() + 1).sum::<usize>()
        + env.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>();
    if argv.len() > MAX_ARGUMENTS || bytes > MAX_ARGUMENT_BYTES {
        return Err(format!(
            "`argv` and `env` have {} arguments and {bytes} bytes, more than the {MAX_ARGUMENTS} and {MAX_ARGUMENT_BYTES} that \
             they may",
            argv.len()
        ));
    }
    if argv.iter().chain(env.iter().flat_map(|(name, value)| [name, value])).any(|text| text.contains('\0')) {
        return Err("`argv` or `env` has a zero byte".to_owned());
    }
    if env.iter().any(|(name, _)| name.is_empty() || name.contains('=')) {
        return Err("`env` has a name that is empty or has a `=`".to_owned());
    }
    let folder = cwd.unwrap_or_default();
    let folder = folder.trim_end_matches('/');
    let folder = if folder == "." { "" } else { folder.strip_prefix("./").unwrap_or(folder) };
    let cwd = StagePath::new(folder).map_err(|error| format!("`cwd`: {error}"))?;
    let usual = CommandLimits::default();
    let limits = CommandLimits {
        time: timeout.map_or(limits.time, Duration::from_millis).min(limits.time),
        shown: Bytes(max_output.unwrap_or(usual.shown.0).min(MAX_SHOWN)),
        disk: limits.disk,
        ..usual
    };
    let stdin = stdin.unwrap_or_default();
    Ok(Command { argv, env, site: Site::default(), cwd, stdin, limits })
}

/// All that a person has to see of a command that is to be approved. What is long is cut, with a mark; the digest that is approved covers all.
fn to_approve(command: &Command) -> String {
    let mut text = format!("{:?}\n{}", command.argv, command.detail());
    let mut room = APPROVED_ENV;
    for (name, value) in &command.env {
        let shown = begun(value, APPROVED_VALUE.min(room));
        room = room.saturating_sub(shown.len());
        text.push_str(&format!("\nenvironment: {name}={shown}"));
    }
    match std::str::from_utf8(&command.stdin) {
        Ok("") => {}
        Ok(stdin) => text.push_str(&format!("\nstandard input:\n{}", begun(stdin, APPROVED_STDIN))),
        Err(_) => {
            let digest = Digest::of(&command.stdin);
            text.push_str(&format!(
                "\nstandard input: {} bytes that are no text, with the digest {digest}",
                command.stdin.len()
            ));
        }
    }
    text
}

/// The beginning of a text, with a mark where it is cut.
fn begun(text: &str, most: usize) -> String {
    let shown = &text[..text.floor_char_boundary(most)];
    match text.len() - shown.len() {
        0 => shown.to_owned(),
        cut => format!("{shown} [… {cut} more bytes are not shown]"),
    }
}

/// What a guest is told of a command.
fn told(ran: Ran) -> exec::Completed {
    let isolation = ran
        .isolation
        .iter()
        .map(|reached| exec::Isolation { dimension: reached.dimension.to_string(), mechanism: reached.mechanism() });
    exec::Completed {
        status: match ran.status {
            ExitStatus::Code(code) => exec::ExitStatus::Code(code),
            ExitStatus::Signal(signal) => exec::ExitStatus::Signal(signal),
            ExitStatus::TimedOut => exec::ExitStatus::TimedOut,
        },
        isolation: isolation.collect(),
        stdout: ran.stdout.bytes(),
        stderr: ran.stderr.bytes(),
        truncated: ran.is_cut(),
        duration: ran.duration_ms,
        changed: ran.taken.listed,
        left_out: ran.taken.unlisted,
    }
}

/// Shows lines of output to whoever watches.
struct Shown(Arc<dyn Live>);

impl Follow for Shown {
    fn line(&self, _: Stream, line: &str) {
        self.0.show(line);
    }

    fn alive(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(env: &[(&str, String)], stdin: &[u8]) -> Command {
        Command {
            argv: vec!["deploy".into(), "--now".into()],
            env: env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            site: Site::default(),
            cwd: StagePath::root(),
            stdin: stdin.to_vec(),
            limits: CommandLimits::default(),
        }
    }

    #[test]
    fn who_approves_sees_what_the_command_is_given() {
        let shown = to_approve(&command(&[("TARGET", "production".into()), ("MODE", "fast".into())], b"drop table\n"));
        for wanted in [
            "[\"deploy\", \"--now\"]",
            "environment: TARGET=production",
            "environment: MODE=fast",
            "standard input:\ndrop table",
        ] {
            assert!(shown.contains(wanted), "{wanted}: {shown}");
        }
        assert!(!to_approve(&command(&[], b"")).contains("standard input"));
    }

    #[test]
    fn what_is_too_long_to_show_is_cut_with_a_mark_and_still_covered_by_the_digest() {
        let long = |end: &str| command(&[("A", "ä".repeat(800) + end)], &[b'x'; 40_000]);
        let (one, other) = (long("1"), long("2"));
        let shown = to_approve(&one);
        assert!(shown.contains("[… 577 more bytes are not shown]"), "{shown}");
        assert!(shown.contains("[… 23616 more bytes are not shown]"), "{shown}");
        assert_eq!(shown, to_approve(&other));
        assert_ne!(one.request(), other.request());
        let many: Vec<_> = (0..100).map(|_| ("B", "y".repeat(2_000))).collect();
        assert!(to_approve(&command(&many, &[0xff; 10])).len() < 32 << 10);
        assert!(to_approve(&command(&[], &[0xff, 0])).contains("standard input: 2 bytes that are no text"));
    }
}
