//! One instance of an agent, from the record of its beginning to the record of its end.

use crate::ledger::AttemptRecorder;
use crate::ports::JournalError;
use crate::shared::Shared;
use longhaul_core::attempt::{AttemptReport, Job, Limits, TaskInput, Usage};
use longhaul_core::digest::Digest;
use longhaul_core::entry::Entry;
use longhaul_core::grant::{Grant, Permissions};
use longhaul_core::id::{AttemptId, Name};
use longhaul_core::incident::{IncidentClass, Problem};
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
pub(super) enum Access {
    /// As granted.
    Granted,
    /// Whatever is granted, it only reads.
    ReadOnly,
}

/// One instance to run.
pub(super) struct Instance<'a> {
    pub(super) shared: &'a Shared,
    pub(super) attempt: AttemptId,
    pub(super) agent: &'a Name,
    pub(super) permissions: &'a Permissions,
    pub(super) access: Access,
    pub(super) limits: Limits,
    pub(super) input: Value,
    pub(super) state: Option<Value>,
    /// The version that its stage shows.
    pub(super) base: Digest,
}

/// What an instance may do, ready to begin.
pub(super) struct Started<'a> {
    instance: Instance<'a>,
    grant: Grant,
    config: Value,
}

impl<'a> Instance<'a> {
    /// Works out the grant and records that the attempt begins.
    pub(super) fn start(mut self) -> Result<Result<Started<'a>, Problem>, JournalError> {
        let fatal = |message| Ok(Err(Problem::new(IncidentClass::Fatal, message)));
        self.limits.fuel = self.shared.fuel.at_most(self.limits.fuel);
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
        };
        self.shared.ledger.attempt(&self.attempt, started)?;
        Ok(Ok(Started { config: agent.config.clone(), instance: self, grant }))
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

    /// Runs it to its end and records that; nothing, where the run stops meanwhile.
    pub(super) async fn run(self, files: Arc<dyn Stage>) -> Result<Option<AttemptReport>, JournalError> {
        let Instance { shared, attempt, agent, limits, input, state, .. } = self.instance;
        let time = limits.time;
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
            recorder: Arc::new(AttemptRecorder::new(shared.ledger.clone(), attempt.clone())),
            clock: shared.ports.time.clone(),
        };
        let watched = async {
            tokio::select! {
                biased;
                report = shared.ports.plugins.run_agent(agent, job) => report,
                () = shared.ports.time.sleep(time.saturating_add(GRACE)) => overdue(time),
            }
        };
        let Some(report) = shared.stop.unless(watched).await else { return Ok(None) };
        shared.fuel.charge(report.usage.fuel);
        let ended = Entry::AttemptEnded { result: report.result.clone(), usage: report.usage };
        shared.ledger.attempt(&attempt, ended)?;
        Ok(Some(report))
    }

    /// Records that it ended before it ran.
    pub(super) fn fail(self, problem: &Problem) -> Result<(), JournalError> {
        let ended = Entry::AttemptEnded { result: Err(problem.clone()), usage: Usage::default() };
        self.instance.shared.ledger.attempt(&self.instance.attempt, ended).map(drop)
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
