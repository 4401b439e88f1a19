//! What is known about an incident, and what a decision about it means.

use longhaul_core::digest::Digest;
use longhaul_core::id::{Name, RunId, TaskId};
use longhaul_core::incident::{Decision, Incident, Past, Situation};
use longhaul_core::units::show_duration;
use longhaul_core::workflow::model::{CheckSpec, TaskSpec};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most tries of one task, whatever strategies say. An honest chain gives up or escalates long before; this ends a
/// dishonest one.
pub(crate) const MAX_TRIES: u32 = 100;

/// How often one run can go back to an older checkpoint, whatever strategies say: each time, work of several tasks is done again.
pub(crate) const MAX_WAYS_BACK: u32 = 50;

/// The longest wait before a try. The run's wall time bounds it too; this keeps the arithmetic of timers sound.
const MAX_WAIT: Duration = Duration::from_secs(30 * 86_400);

/// An incident with all that is needed to decide on it.
#[derive(Debug)]
pub(crate) struct Case {
    /// What happened.
    pub(crate) incident: Incident,
    /// What happened to the task before.
    pub(crate) history: Vec<Past>,
    /// The strategies to ask, in turn.
    pub(crate) chain: Vec<Name>,
    /// Those of them that were asked before the run was resumed, and knew nothing.
    pub(crate) asked: Vec<Name>,
    /// Tries that were made.
    pub(crate) tries: u32,
    /// Tries after which a plain retry is refused.
    pub(crate) allowed: u32,
    /// The task's deadline, where that has passed.
    pub(crate) overdue: Option<Duration>,
    /// The current version, which a rollback goes back to that names no checkpoint.
    pub(crate) checkpoint: Digest,
    /// How often the run went back.
    pub(crate) went_back: u32,
    /// The checkpoints before it that are kept, newest first: their numbers and versions.
    pub(crate) older: Vec<(u32, Digest)>,
    /// What the workflow says can be done beside trying again.
    pub(crate) remedies: Remedies,
}

/// What a workflow says can be done about a failed task beside trying it again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Remedies {
    /// What it did outside its files can be taken back.
    pub(crate) compensate: bool,
    /// It can be planned anew in smaller pieces.
    pub(crate) split: bool,
}

impl Remedies {
    /// Those of a task. What a child did is taken back as what its parent did is; how it could be split is not known, and what
    /// the host asks for itself to carry out a remedy has none.
    pub(crate) fn of(task: &TaskId, spec: Option<&TaskSpec>) -> Self {
        let of_host = task.is_repair();
        Self {
            compensate: !of_host && spec.is_some_and(|spec| spec.compensate.is_some()),
            split: task.parent().is_none() && spec.is_some_and(|spec| spec.split.is_some()),
        }
    }
}

/// What is to be done about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another try.
    Again(Again),
    /// The whole run goes back to an older checkpoint.
    GoBack(GoBack),
    /// What it did outside its files is taken back; then the chain is asked once more.
    Compensate,
    /// It is done as smaller pieces.
    Split,
    /// The task is left out, for this reason.
    Skip(String),
    /// A person has to look, for this reason.
    Escalate(String),
    /// The task has failed, for this reason.
    GiveUp(String),
}

/// Another try.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Again {
    /// After this long.
    pub(crate) after: Duration,
    /// By this agent, where it is another one.
    pub(crate) agent: Option<Name>,
    /// To be accepted by this agent.
    pub(crate) validator: Option<Name>,
}

/// The way back to an older checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GoBack {
    /// Its number.
    pub(crate) number: u32,
    /// Its version.
    pub(crate) version: Digest,
    /// Who has to accept the task's next try.
    pub(crate) validator: Option<Name>,
}

/// Who is asked, and where: what randomness derives from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// The run.
    pub(crate) run: &'a RunId,
    /// What its randomness derives from.
    pub(crate) seed: u64,
    /// The strategy that is asked.
    pub(crate) strategy: &'a Name,
}

impl Case {
    /// What a strategy sees of it, in a run that has these agents.
    pub(crate) fn situation<'a>(
        &self,
        asker: Asker<'_>,
        agents: impl Iterator<Item = &'a Name>,
        config: Value,
    ) -> Situation {
        let Asker { run, seed, strategy } = asker;
        let attempt = &self.incident.attempt;
        Situation {
            incident: self.incident.clone(),
            history: self.history.clone(),
            checkpoints: self.checkpoint_names(),
            agents: agents.filter(|agent| **agent != self.incident.agent).cloned().collect(),
            random: Digest::of(format!("{seed}/{run}/{attempt}/{strategy}").as_bytes()).prefix(),
            config,
        }
    }

    /// The names of the checkpoints that can be gone back to: the current version, which holds the work of all completed
    /// tasks and nothing of the failed attempt, and those before it.
    fn checkpoint_names(&self) -> Vec<String> {
        let mut names = vec![self.checkpoint.to_string()];
        for (_, version) in &self.older {
            let name = version.to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// What `decision` means, where it can be carried out. The error says why it cannot.
    pub(crate) fn verdict<T>(
        &self,
        decision: &Decision,
        agents: &BTreeMap<Name, T>,
        checks: &BTreeMap<Name, CheckSpec>,
    ) -> Result<Verdict, String> {
        let judge = |name: &Name| match agents.contains_key(name) || checks.contains_key(name) {
            true => Ok(name.clone()),
            false => Err(format!("the workflow has no agent and no check `{name}`")),
        };
        let known = |name: &Name| match agents.contains_key(name) {
            true => Ok(name.clone()),
            false => Err(format!("the workflow has no agent `{name}`")),
        };
        let tries = matches!(decision, Decision::Retry { .. } | Decision::Rollback { .. } | Decision::Reassign { .. });
        if let Some(span) = self.overdue.filter(|_| tries) {
            return Err(format!("the task's deadline of {} has passed, so it is not tried again", show_duration(span)));
        }
        match decision {
            Decision::Retry { .. } if self.tries >= self.allowed => {
                Err(format!("the task was tried {} times and may be retried up to {}", self.tries, self.allowed))
            }
            Decision::Retry { .. } | Decision::Rollback { .. } | Decision::Reassign { .. }
                if self.tries >= MAX_TRIES =>
            {
                Err(format!("the task was tried {MAX_TRIES} times, and no task is tried more often"))
            }
            Decision::Retry { after } => {
                Ok(Verdict::Again(Again { after: (*after).min(MAX_WAIT), ..Again::default() }))
            }
            Decision::Rollback { to: Some(to), validate } if *to != self.checkpoint.to_string() => {
                let Some((number, version)) = self.older.iter().find(|(_, version)| version.to_string() == *to) else {
                    let to: String = to.chars().take(80).collect();
                    return Err(format!("there is no checkpoint `{to}`"));
                };
                if self.went_back >= MAX_WAYS_BACK {
                    return Err(format!("the run went back {MAX_WAYS_BACK} times, and no run goes back more often"));
                }
                let validator = validate.as_ref().map(judge).transpose()?;
                Ok(Verdict::GoBack(GoBack { number: *number, version: *version, validator }))
            }
            Decision::Rollback { validate, .. } => {
                let validator = validate.as_ref().map(judge).transpose()?;
                Ok(Verdict::Again(Again { validator, ..Again::default() }))
            }
            Decision::Reassign { agent } => {
                Ok(Verdict::Again(Again { agent: Some(known(agent)?), ..Again::default() }))
            }
            Decision::Skip { reason } => Ok(Verdict::Skip(reason.clone())),
            Decision::Escalate { reason } => Ok(Verdict::Escalate(reason.clone())),
            Decision::Split if !self.remedies.split => {
                Err("the workflow does not say how the task can be split; add `split` to it".to_owned())
            }
            Decision::Split => Ok(Verdict::Split),
            Decision::Compensate if !self.remedies.compensate => {
                Err("the workflow does not say how the task can be compensated; add `compensate` to it".to_owned())
            }
            Decision::Compensate if self.is_compensated() => {
                Err("what the attempt did was compensated already".to_owned())
            }
            Decision::Compensate => Ok(Verdict::Compensate),
        }
    }

    /// Whether what the failed attempt did was taken back.
    fn is_compensated(&self) -> bool {
        let attempt = &self.incident.attempt;
        self.history.iter().any(|past| past.incident.attempt == *attempt && past.decision == Decision::Compensate)
    }
}
