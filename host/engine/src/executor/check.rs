//! A check of the workflow: a command whose end says whether work is accepted. It is an attempt of its own, like that of an agent that
//! judges, so that what it does is told apart and replayed.

use super::command::{Order, run_for};
use crate::shared::Shared;
use crate::transcript::{Fault, Noted, Transcript};
use longhaul_core::attempt::{Limits, Outcome, Usage};
use longhaul_core::commands::{Command, CommandLimits, ExitStatus, Ran, Site};
use longhaul_core::digest::Digest;
use longhaul_core::entry::Entry;
use longhaul_core::grant::{FsPermissions, Grant, Party};
use longhaul_core::ground::Ground;
use longhaul_core::id::AttemptId;
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::units::{Bytes, show_duration};
use longhaul_core::workflow::model::CheckSpec;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of each stream that are evidence.
const EVIDENCE: usize = 2 << 10;
/// Bytes of each stream that are recorded.
const SHOWN: Bytes = Bytes(64 << 10);

/// A check to run.
pub(super) struct Check<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) transcript: &'a Arc<Transcript>,
    pub(super) attempt: AttemptId,
    /// Its name in the workflow.
    pub(super) name: &'a longhaul_core::id::Name,
    pub(super) spec: &'a CheckSpec,
    pub(super) ground: Arc<dyn Ground>,
    pub(super) limits: Limits,
    pub(super) base: Digest,
    /// The attempt whose work it judges.
    pub(super) judges: u32,
}

impl Check<'_> {
    /// Runs it; gives what it says of the work, with what it used where that was not counted before, and where the record says that it
    /// began.
    pub(super) async fn run(self) -> Result<(Noted, Result<Outcome, Problem>, Option<Usage>), Fault> {
        let Self { shared, transcript, attempt, name, spec, ground, limits, base, judges } = self;
        let grant = grant(shared, spec);
        let command = command(spec, &limits);
        let layers = grant.iter().flat_map(Grant::layers);
        let started = Entry::AttemptStarted {
            agent: name.clone(),
            plugin: command.request(),
            input: json!({ "task": attempt.task.as_str(), "run": spec.run }),
            base,
            grant: layers.map(|(party, permissions)| (party, permissions.clone())).collect(),
            limits,
            work: None,
            judges: Some(judges),
        };
        let noted = transcript.note(attempt.number, started)?;
        let recorder = transcript.open(attempt.number, 0);
        let order = Order { number: 0, task: &attempt.task, ground, grant, command };
        let ran = run_for(shared, recorder.as_ref(), order).await?;
        transcript.close();
        let time = ran.as_ref().map_or(Duration::ZERO, |ran| Duration::from_millis(ran.duration_ms));
        let result = ran.and_then(|ran| judged(spec, &ran));
        let usage = Usage { time, actions: 1, outside: transcript.outside(), ..Usage::default() };
        let ended = Entry::AttemptEnded { result: result.clone(), usage };
        let ended = transcript.note(attempt.number, ended)?;
        let usage = ended.is_new().then_some(usage);
        shared.spending.ended(&attempt, usage.as_ref());
        Ok((noted, result, usage))
    }
}

/// What a check may do: read what the workflow lets be read, write nothing that stays, and run its command.
fn grant(shared: &Shared, spec: &CheckSpec) -> Result<Grant, String> {
    let mut given = spec.permissions.clone();
    given.fs = given.fs.map(|fs| FsPermissions { write: Vec::new(), ..fs });
    let layers = [shared.policy.clone().map(|policy| (Party::Policy, policy)), Some((Party::Task, given))];
    let grant = Grant::new(layers.into_iter().flatten()).map_err(|error| error.to_string())?;
    grant.check_exec(&spec.run).map_err(|denial| denial.to_string())?;
    Ok(grant)
}

fn command(spec: &CheckSpec, limits: &Limits) -> Command {
    Command {
        argv: spec.run.clone(),
        env: spec.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        site: Site::default(),
        cwd: spec.cwd.clone(),
        stdin: Vec::new(),
        limits: CommandLimits { time: spec.timeout, shown: SHOWN, disk: limits.disk, ..CommandLimits::default() },
    }
}

/// What the end of a command says of the work.
fn judged(spec: &CheckSpec, ran: &Ran) -> Result<Outcome, Problem> {
    if ran.status == ExitStatus::Code(0) {
        return Ok(Outcome::Completed(json!({ "exit": 0 })));
    }
    let ended = match ran.status {
        ExitStatus::TimedOut => format!("took more than {}", show_duration(spec.timeout)),
        status => format!("ended with {status}"),
    };
    let evidence: Value = json!({
        "run": spec.run, "status": ran.status,
        "stdout": ran.stdout.end(EVIDENCE), "stderr": ran.stderr.end(EVIDENCE),
    });
    let message = format!("`{}` {ended}", spec.run.join(" "));
    Err(Problem::new(IncidentClass::Validation, message).with_evidence(evidence))
}
