//! One instance of an agent, from the record of its beginning to the record of its end.

use super::watch::Watch;
use crate::shared::{Shared, Stop};
use crate::transcript::{Fault, Noted, Transcript};
use longhaul_core::attempt::{AttemptReport, Committer, Job, Limits, Outcome, Ran, TaskInput, Usage, Wait};
use longhaul_core::digest::Digest;
use longhaul_core::effect::PastEffects;
use longhaul_core::entry::Entry;
use longhaul_core::grant::{Grant, Permissions};
use longhaul_core::id::{AttemptId, Name};
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::reach::Reach;
use longhaul_core::recall::Recall;
use longhaul_core::stage::Stage;
use longhaul_core::units::show_duration;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How much longer than its limit an instance is waited for. The sandbox keeps the limit; this is for the case that it
/// hangs itself.
const GRACE: Duration = Duration::from_secs(10);

/// Whether an instance may change files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    /// As granted.
    Granted,
    /// Whatever is granted, it only reads.
    ReadOnly,
}

/// One instance to run.
pub(super) struct Instance<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) transcript: &'a Arc<Transcript>,
    pub(super) attempt: AttemptId,
    pub(super) agent: &'a Name,
    pub(super) permissions: &'a Permissions,
    pub(super) access: Access,
    pub(super) limits: Limits,
    /// When its task has to be done.
    pub(super) deadline: Option<Duration>,
    pub(super) input: Value,
    pub(super) state: Option<Value>,
    /// The version that its stage shows.
    pub(super) base: Digest,
    /// The hash of what it does, where others may reuse it.
    pub(super) work: Option<Digest>,
    /// The attempt whose work it judges, where that is what it is for.
    pub(super) judges: Option<u32>,
    /// Ends it, and nothing else.
    pub(super) stop: &'a Stop,
}

/// What an instance may do, ready to begin.
pub(super) struct Started<'a> {
    instance: Instance<'a>,
    grant: Grant,
    config: Value,
    model: Option<String>,
    noted: Noted,
}

impl<'a> Instance<'a> {
    /// Works out the grant and notes that the attempt begins.
    pub(super) fn start(self) -> Result<Result<Started<'a>, Problem>, Fault> {
        let fatal = |message| Ok(Err(Problem::new(IncidentClass::Fatal, message)));
        let Some(agent) = self.shared.agents.get(self.agent) else {
            return fatal(format!("there is no agent `{}` in this run", self.agent));
        };
        let (shared, asks) = (self.shared, &agent.info.asks);
        let policy = shared.policy.as_ref();
        let task = &self.attempt.task;
        let grant = match shared.grants.get(self.agent, task, self.access, asks, policy, self.permissions) {
            Ok(grant) => grant,
            Err(error) => return fatal(format!("the grant of agent `{}` cannot be used: {error}", self.agent)),
        };
        let started = Entry::AttemptStarted {
            agent: self.agent.clone(),
            plugin: agent.info.digest,
            input: self.input.clone(),
            base: self.base,
            grant: grant.layers().map(|(party, permissions)| (party, permissions.clone())).collect(),
            limits: self.limits.clone(),
            work: self.work,
            judges: self.judges,
        };
        let noted = self.transcript.note(self.attempt.number, started)?;
        let (config, model) = (agent.config.clone(), agent.model.clone());
        Ok(Ok(Started { config, model, instance: self, grant, noted }))
    }
}

impl Started<'_> {
    /// Whether anything may be written.
    pub(super) fn may_write(&self) -> bool {
        self.grant.may_write()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.instance.limits
    }

    pub(super) fn attempt(&self) -> &AttemptId {
        &self.instance.attempt
    }

    /// Where the record says that it begins, if that was said just now.
    pub(super) fn noted(&self) -> Noted {
        self.noted
    }

    /// Runs it to its end or into a wait, and notes that; nothing, where the run stops meanwhile. The first action of its guest has the
    /// number `first`.
    pub(super) async fn run(
        self,
        first: u64,
        files: Arc<dyn Stage>,
        committer: Arc<dyn Committer>,
        reach: Reach,
    ) -> Result<Left, Fault> {
        let Instance { shared, transcript, attempt, agent, limits, deadline, input, state, stop, .. } = self.instance;
        let (time, call_time) = (limits.time, limits.call_time);
        let watch = Watch::new(shared, transcript, &attempt, &limits, deadline);
        let job = Job {
            task: TaskInput {
                run: shared.run.clone(),
                workflow: shared.workflow.to_string(),
                objective: shared.objective.clone(),
                attempt: attempt.clone(),
                agent: agent.clone(),
                input,
                config: self.config,
                state,
            },
            limits,
            grant: self.grant,
            stage: files,
            recorder: transcript.open(attempt.number, first),
            clock: shared.ports.time.clone(),
            committer,
            recall: watch.clone(),
            reach,
            model: self.model,
            meter: watch.clone(),
            began: self.noted.at,
            seed: Digest::of(format!("{}/{attempt}", shared.seed).as_bytes()),
        };
        let watched = async {
            tokio::select! {
                biased;
                ran = shared.ports.plugins.run_agent(agent, job) => ran,
                report = async {
                    let report = tokio::select! {
                        () = shared.ports.time.sleep(time.saturating_add(GRACE)) => overdue(time),
                        problem = watch.recalled() => {
                            shared.ports.time.sleep(GRACE).await;
                            AttemptReport { result: Err(problem), usage: Usage::default() }
                        }
                    };
                    transcript.close();
                    report
                } => Ran::Ended(report),
            }
        };
        let mut watched = std::pin::pin!(watched);
        let mut ran = shared.stop.unless(stop.unless(&mut watched)).await.flatten();
        if ran.is_none() {
            // A safe place to stop is one where nothing is under way outside.
            ran = tokio::select! {
                biased;
                () = transcript.wind_up() => None,
                () = shared.ports.time.sleep(call_time) => None,
                _ = &mut watched => None,
            };
        }
        // Closed before the instance is dropped: what it does on its way out is not what it would have done.
        transcript.close();
        let AttemptReport { result, usage } = match ran {
            None => return Ok(Left::Interrupted),
            Some(Ran::Suspended(wait)) => {
                if shared.proves && transcript.take(attempt.number, ended_by_host)?.is_some() {
                    return Ok(Left::Suspended(wait));
                }
                transcript.note(attempt.number, Entry::AttemptSuspended { wait: wait.clone() })?;
                return Ok(Left::Suspended(wait));
            }
            Some(Ran::Ended(report)) => report,
        };
        let usage = Usage { outside: transcript.outside(), ..usage };
        let result = result.map_err(|problem| transcript.with_remains(problem));
        // A judge's problem is what it says of the work of another.
        let result = match self.instance.judges {
            None => result.map_err(|problem| blamed(shared, &attempt, &usage, problem)),
            Some(_) => result,
        };
        let noted = transcript.note(attempt.number, Entry::AttemptEnded { result: result.clone(), usage })?;
        // What was used before the run was resumed has been counted.
        let usage = noted.is_new().then_some(usage);
        shared.spending.ended(&attempt, usage.as_ref());
        Ok(Left::Ended(result, usage))
    }

    /// Notes that it ended before it ran.
    pub(super) fn fail(self, problem: &Problem) -> Result<(), Fault> {
        let ended = Entry::AttemptEnded { result: Err(problem.clone()), usage: Usage::default() };
        self.instance.transcript.note(self.instance.attempt.number, ended).map(drop)
    }
}

/// The problem of an attempt that ended with this usage; where the run's budget is to blame it says so, and the task begins anew with
/// a larger one. What was done outside would be done again then, which is for strategies to decide.
fn blamed(shared: &Shared, attempt: &AttemptId, usage: &Usage, mut problem: Problem) -> Problem {
    if problem.class == IncidentClass::Exhausted
        && PastEffects::of(&problem).listed.is_empty()
        && let Some(part) = shared.spending.exhausted_by(attempt, usage)
        && let Some(evidence) = problem.evidence.as_object_mut()
    {
        evidence.insert("budget".to_owned(), part.as_str().into());
    }
    problem
}

/// How an instance left off.
pub(super) enum Left {
    /// It came to its end, and used this; none where that was counted before.
    Ended(Result<Outcome, Problem>, Option<Usage>),
    /// It waits for this.
    Suspended(Wait),
    /// The run stopped meanwhile.
    Interrupted,
}

/// Whether an entry is the end of an attempt that was suspended, as the host notes it: what it used is known to nobody.
fn ended_by_host(entry: &Entry) -> Option<()> {
    match entry {
        Entry::AttemptEnded { result: Err(_), usage } if *usage == Usage::default() => Some(()),
        _ => None,
    }
}

fn overdue(limit: Duration) -> AttemptReport {
    let message = format!(
        "the instance was not ended {} after its limit of {} and was dropped",
        show_duration(GRACE),
        show_duration(limit)
    );
    let usage = Usage { time: limit.saturating_add(GRACE), ..Usage::default() };
    AttemptReport { result: Err(Problem::new(IncidentClass::Timeout, message)), usage }
}
