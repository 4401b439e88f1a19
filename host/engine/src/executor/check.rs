//! A check of the workflow: a command whose end says whether work is accepted. It is an attempt of its own, like that of an agent that
//! judges, so that what it does is told apart and replayed.

use crate::shared::Shared;
use crate::transcript::{Fault, Noted, Transcript};
use longhaul_core::action::ActionResult;
use longhaul_core::attempt::{Limits, Outcome, RecordError, Usage};
use longhaul_core::commands::{AROUND, Command, CommandLimits, ExitStatus, Follow, Ran, Site, Stream, run_in};
use longhaul_core::digest::Digest;
use longhaul_core::effect::{Answered, Call, CallKind, KeyScope, perform};
use longhaul_core::entry::Entry;
use longhaul_core::grant::{Capability, FsPermissions, Grant, Party};
use longhaul_core::ground::Ground;
use longhaul_core::id::AttemptId;
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::reach::{Live, ServiceError};
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
        let recorder = transcript.open(attempt.number);
        let call = Call {
            number: 0,
            capability: Capability::Exec,
            operation: "run".into(),
            resource: spec.run.join(" ").chars().take(500).collect(),
            detail: command.detail(),
            request: command.request(),
            // What it changes is thrown away, so it can be run as often as it takes.
            kind: CallKind::Effect { idempotent: true, scope: KeyScope::Action },
        };
        let patience = command.limits.time.saturating_add(AROUND);
        let follow = Arc::new(Shown(shared.live(&attempt.task)));
        let commands = shared.ports.services.commands.clone();
        let act = async {
            let grant = grant.map_err(ServiceError::Invalid)?;
            let commands =
                commands.ok_or_else(|| ServiceError::Unavailable("this host runs no commands".to_owned()))?;
            let place = (ground.as_ref(), ground.claim().await);
            let ran = run_in(commands.as_ref(), place, &grant, command, follow);
            let late = shared.ports.time.sleep(patience);
            tokio::select! {
                biased;
                ran = ran => ran,
                () = late => Err(ServiceError::TimedOut(patience)),
            }
        };
        let done =
            perform(recorder.as_ref(), call, |_| async { act.await.unwrap_or_else(|error| refused(&error)) }).await;
        let action = match done {
            Ok(action) => action,
            Err(error) => return Err(fault(shared, error)),
        };
        transcript.close();
        let (result, time) =
            judged(spec, &action.result, action.exchange.as_ref().map(|exchange| exchange.answer.as_str()));
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

/// A refusal as it is recorded.
fn refused(error: &ServiceError) -> Answered {
    let answer = serde_json::to_string(error).unwrap_or_default();
    Answered { answer, ..Answered::failed(error.to_string()) }
}

/// What the end of a command says of the work, and how long it took.
fn judged(spec: &CheckSpec, result: &ActionResult, answer: Option<&str>) -> (Result<Outcome, Problem>, Duration) {
    let shown = spec.run.join(" ");
    let ran = match (result, answer.map(Ran::read)) {
        (ActionResult::Ok, Some(Ok(ran))) => ran,
        (ActionResult::Failed { error }, _) | (ActionResult::Denied { reason: error, .. }, _) => {
            let class = match answer.and_then(|answer| serde_json::from_str(answer).ok()) {
                Some(ServiceError::Failed(_) | ServiceError::RateLimited(_)) => IncidentClass::Transient,
                Some(ServiceError::TimedOut(_)) => IncidentClass::Timeout,
                Some(ServiceError::Exhausted(_)) => IncidentClass::Exhausted,
                _ => IncidentClass::Fatal,
            };
            return (Err(Problem::new(class, format!("`{shown}` was not run to its end: {error}"))), Duration::ZERO);
        }
        (ActionResult::Ok, _) => {
            let message = format!("what came of `{shown}` cannot be read");
            return (Err(Problem::new(IncidentClass::Fatal, message)), Duration::ZERO);
        }
    };
    let time = Duration::from_millis(ran.duration_ms);
    if ran.status == ExitStatus::Code(0) {
        return (Ok(Outcome::Completed(json!({ "exit": 0 }))), time);
    }
    let ended = match ran.status {
        ExitStatus::TimedOut => format!("took more than {}", show_duration(spec.timeout)),
        status => format!("ended with {status}"),
    };
    let evidence: Value = json!({
        "run": spec.run, "status": ran.status,
        "stdout": ran.stdout.end(EVIDENCE), "stderr": ran.stderr.end(EVIDENCE),
    });
    let problem = Problem::new(IncidentClass::Validation, format!("`{shown}` {ended}")).with_evidence(evidence);
    (Err(problem), time)
}

/// Why an action is not in the record.
fn fault(shared: &Shared, error: RecordError) -> Fault {
    match (shared.ledger.check(), error) {
        (Err(lost), _) => Fault::Lost(lost),
        (Ok(()), error) => Fault::of(error),
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
