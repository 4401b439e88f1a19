//! Captures what a task is given beside its input, when the task first starts: an entry of the record before the attempt's first action.
//!
//! ```text
//!   captured before? ──yes──► the same again                     (a replay passes over what its record has of it)
//!        └──no──► files, pictures, repository ──┐
//!                 commands, in a stage apart ───┴─► content kept, durable ──► Captured
//! ```
//!
//! It is the host that captures, because the workflow says so: the operator's policy and the task's permissions have to cover it, and the
//! plugin's manifest need not. Commands are actions of the attempt, before those of its guest; what they change is thrown away.

mod content;

use super::command::{Order, run_for};
use crate::captures::Capture;
use crate::ports::{CaptureFailed, Captures, WorkspaceError};
use crate::shared::Shared;
use crate::transcript::{Fault, Transcript};
use content::Gathered;
use longhaul_core::attachment::{
    AttachSource, Attachment, AttachmentKind, Attachments, Captured, MAX_OUTPUT, NoAttachments,
};
use longhaul_core::attempt::Limits;
use longhaul_core::commands::{Command, CommandLimits, ExitStatus, Site};
use longhaul_core::digest::Digest;
use longhaul_core::entry::Entry;
use longhaul_core::grant::{FsPermissions, Grant, Party, Permissions};
use longhaul_core::id::AttemptId;
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::path::StagePath;
use longhaul_core::reach::BoxFuture;
use longhaul_core::units::Bytes;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The most wall time of one command.
const COMMAND_TIME: Duration = Duration::from_secs(600);
/// The most bytes of what a command said last that are evidence.
const EVIDENCE: usize = 2 << 10;

/// What is to be captured, for an attempt that has begun.
pub(super) struct Capturing<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) transcript: &'a Arc<Transcript>,
    pub(super) attempt: &'a AttemptId,
    pub(super) sources: &'a [AttachSource],
    /// What the task gives.
    pub(super) permissions: &'a Permissions,
    pub(super) limits: &'a Limits,
    /// The version that the attempt starts from.
    pub(super) base: Digest,
}

/// What the attempt has now, and how many actions it took.
pub(super) struct Has {
    pub(super) attachments: Arc<dyn Attachments>,
    pub(super) actions: u64,
}

impl Has {
    /// Nothing at all.
    pub(super) fn nothing() -> Self {
        Self { attachments: Arc::new(NoAttachments), actions: 0 }
    }
}

impl Capturing<'_> {
    /// Captures it, or takes what was captured before.
    pub(super) async fn run(self) -> Result<Result<Has, Problem>, Fault> {
        let Self { shared, transcript, attempt, .. } = self;
        if let Some(Capture { attempt: number, what }) = shared.captures.of(&attempt.task) {
            // A replay of the attempt that captured it comes to it again.
            let actions = if number == attempt.number { transcript.pass_captured(number)? } else { 0 };
            return Ok(Ok(has(shared, what, actions)));
        }
        let mut actions = 0;
        let captured = match self.gather(&mut actions).await {
            Ok(captured) => captured,
            Err(Failed::Fault(fault)) => return Err(fault),
            Err(Failed::Problem(problem)) => return Ok(Err(*problem)),
        };
        transcript.note(attempt.number, Entry::Captured(captured.clone()))?;
        // Once it was looked at, it is what the task was given, whatever happens next.
        shared.ledger.flush().await?;
        let what = Arc::new(captured);
        shared.captures.add(&attempt.task, Capture { attempt: attempt.number, what: Arc::clone(&what) });
        Ok(Ok(has(shared, what, actions)))
    }

    async fn gather(&self, actions: &mut u64) -> Result<Captured, Failed> {
        let grant = self.grant().map_err(|reason| {
            Problem::new(IncidentClass::Fatal, format!("the permissions of the task cannot be used: {reason}"))
        })?;
        let Some(captures) = self.shared.ports.workspace.captures() else {
            return Err(Problem::new(IncidentClass::Fatal, "this host captures no attachments").into());
        };
        let mut gathered = Gathered::default();
        for source in self.sources {
            match source {
                AttachSource::Files(pattern) => self.files(captures, pattern, &grant, &mut gathered).await?,
                AttachSource::Image(path) => self.image(captures, path, &grant, &mut gathered).await?,
                AttachSource::Command(argv) => {
                    let written = self.command(argv, &grant, *actions).await?;
                    *actions += 1;
                    gathered.add(source, argv.join(" "), AttachmentKind::Command, written)?;
                }
                AttachSource::Repository => {
                    let state = captures.repository(self.base, &grant).await.map_err(machine)?;
                    // A state is texts, which are always JSON.
                    let text = serde_json::to_vec_pretty(&state).unwrap_or_default();
                    gathered.state(source, text)?;
                }
            }
        }
        let (attachments, contents) = gathered.all();
        let tree = captures.keep(contents).await.map_err(machine)?;
        Ok(Captured { attachments, tree })
    }

    /// What the host may capture: what the policy allows and the task gives, without writing.
    fn grant(&self) -> Result<Grant, String> {
        let mut given = self.permissions.clone();
        given.fs = given.fs.map(|fs| FsPermissions { write: Vec::new(), ..fs });
        let policy = self.shared.policy.clone().map(|policy| (Party::Policy, policy));
        Grant::new(policy.into_iter().chain([(Party::Task, given)])).map_err(|error| error.to_string())
    }

    async fn files(
        &self,
        captures: &dyn Captures,
        pattern: &str,
        grant: &Grant,
        gathered: &mut Gathered,
    ) -> Result<(), Failed> {
        let source = AttachSource::Files(pattern.to_owned());
        let found = captures.find(self.base, pattern, grant).await.map_err(|failed| match failed {
            CaptureFailed::Pattern(error) => invalid(&source, &error.to_string()),
            CaptureFailed::Workspace(error) => machine(error),
        })?;
        match (found.files.is_empty(), &found.withheld) {
            (false, _) => {}
            (true, Some(path)) => return Err(denied(&source, path)),
            (true, None) => return Err(invalid(&source, "no file of the workspace fits it").into()),
        }
        for (path, size, digest) in found.files {
            gathered.has_room(&source, Bytes(size))?;
            let content = captures.content(digest).await.map_err(machine)?;
            gathered.known(&source, path.as_str(), AttachmentKind::File, (size, digest), &content)?;
        }
        Ok(())
    }

    async fn image(
        &self,
        captures: &dyn Captures,
        path: &str,
        grant: &Grant,
        gathered: &mut Gathered,
    ) -> Result<(), Failed> {
        let source = AttachSource::Image(path.to_owned());
        let wanted = StagePath::new(path.trim_start_matches("./"))
            .map_err(|error| invalid(&source, &format!("it is no path of the workspace: {error}")))?;
        // A path is a pattern of one file once its signs are taken as they are.
        let pattern: String = wanted.as_str().chars().flat_map(literal).collect();
        let found = captures.find(self.base, &pattern, grant).await.map_err(|failed| match failed {
            CaptureFailed::Pattern(error) => invalid(&source, &error.to_string()),
            CaptureFailed::Workspace(error) => machine(error),
        })?;
        let (size, digest) = match (found.files.into_iter().find(|(path, ..)| *path == wanted), found.withheld) {
            (Some((_, size, digest)), _) => (size, digest),
            (None, Some(path)) => return Err(denied(&source, &path)),
            (None, None) => return Err(invalid(&source, "there is no such file in the workspace").into()),
        };
        gathered.has_room(&source, Bytes(size))?;
        let content = captures.content(digest).await.map_err(machine)?;
        gathered.known(&source, wanted.as_str(), AttachmentKind::Image, (size, digest), &content)
    }

    /// What a command writes to its standard output.
    async fn command(&self, argv: &[String], grant: &Grant, number: u64) -> Result<Vec<u8>, Failed> {
        let Self { shared, attempt, limits, base, .. } = self;
        let source = AttachSource::Command(argv.to_vec());
        if let Err(denial) = grant.check_exec(argv) {
            let problem = Problem::new(IncidentClass::Denied, format!("{source} cannot be attached: {denial}"));
            let evidence = json!({ "capability": "exec", "resource": denial.resource, "grant": denial.grant });
            return Err(problem.with_evidence(evidence).into());
        }
        let stage = shared.ports.workspace.stage(*base, attempt, limits).await.map_err(machine)?;
        let command = Command {
            argv: argv.to_vec(),
            env: Vec::new(),
            site: Site::default(),
            cwd: StagePath::root(),
            stdin: Vec::new(),
            limits: CommandLimits {
                time: limits.time.min(COMMAND_TIME),
                shown: MAX_OUTPUT,
                disk: limits.disk,
                ..CommandLimits::default()
            },
        };
        let recorder = self.transcript.open(attempt.number, 0);
        let order = Order { number, task: &attempt.task, ground: stage.ground(), grant: Ok(grant.clone()), command };
        let done = run_for(shared, recorder.as_ref(), order).await;
        self.transcript.close();
        stage.discard().await;
        let ran = done?.map_err(|problem| Failed::Problem(Box::new(problem)))?;
        if ran.status != ExitStatus::Code(0) {
            let how = match ran.status {
                ExitStatus::TimedOut => "it took too long".to_owned(),
                status => format!("it ended with {status}"),
            };
            let evidence = json!({
                "command": argv, "status": ran.status,
                "stdout": ran.stdout.end(EVIDENCE), "stderr": ran.stderr.end(EVIDENCE),
            });
            return Err(invalid(&source, &how).with_evidence(evidence).into());
        }
        let written = ran.stdout.bytes();
        if ran.stdout.size > written.len() as u64 {
            let reason =
                format!("it wrote {} bytes, more than the {} (256 KiB) of a command", ran.stdout.size, MAX_OUTPUT.0);
            return Err(invalid(&source, &reason).into());
        }
        Ok(written)
    }
}

/// A character of a path as a pattern has it.
fn literal(character: char) -> impl Iterator<Item = char> {
    let escape = matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | ',' | '!').then_some('\\');
    escape.into_iter().chain([character])
}

/// Why nothing was captured.
enum Failed {
    /// The attempt fails with this.
    Problem(Box<Problem>),
    /// The record says no.
    Fault(Fault),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Failed::Problem(Box::new(problem))
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Failed::Fault(fault)
    }
}

/// What was asked for cannot be attached as it is.
fn invalid(source: &AttachSource, reason: &str) -> Problem {
    Problem::new(IncidentClass::Validation, format!("{source} cannot be attached: {reason}"))
}

fn denied(source: &AttachSource, path: &StagePath) -> Failed {
    let message = format!("{source} cannot be attached: `{path}` may not be read");
    let grant = format!("fs: {{ read: [{:?}] }}", path.as_str());
    let evidence = json!({ "capability": "fs", "resource": path.as_str(), "grant": grant });
    Problem::new(IncidentClass::Denied, format!("{message}; {grant} in the task's `permissions` would grant it"))
        .with_evidence(evidence)
        .into()
}

fn machine(error: WorkspaceError) -> Problem {
    Problem::new(IncidentClass::Transient, error.to_string())
}

fn has(shared: &Arc<Shared>, what: Arc<Captured>, actions: u64) -> Has {
    Has { attachments: Arc::new(Kept { shared: Arc::clone(shared), what }), actions }
}

/// What was captured, with its content where it is kept.
struct Kept {
    shared: Arc<Shared>,
    what: Arc<Captured>,
}

impl Attachments for Kept {
    fn list(&self) -> &[Attachment] {
        &self.what.attachments
    }

    fn read<'a>(&'a self, attachment: &'a Attachment) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let captures = self.shared.ports.workspace.captures().ok_or("this host keeps no attachments")?;
            captures.content(attachment.digest).await.map_err(|error| error.to_string())
        })
    }
}
