//! What a record comes to: hosts contacted, commands run, secrets used, what it cost, who said what, and where it has gaps.

use super::deed::{Deed, Outcome};
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::TaskId;
use longhaul_core::outbox::Outbox;
use longhaul_core::people::{Asked, Reply, Wants};
use longhaul_core::units::{Fuel, Money, Timestamp, Tokens};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Nothing recorded for longer than this while the run was under way is told as a gap.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// Requests to one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Host {
    /// How many were answered, or went wrong.
    pub requests: u64,
    /// How many were refused before they left.
    pub denied: u64,
    /// The methods used.
    pub methods: BTreeSet<String>,
    /// The tasks that did it.
    pub tasks: BTreeSet<TaskId>,
}

/// Runs of one command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Command {
    /// How many times.
    pub runs: u64,
    /// How many were refused.
    pub denied: u64,
    /// How they ended.
    pub statuses: BTreeMap<String, u64>,
    /// How they were kept apart, all of them together.
    pub isolation: BTreeSet<String>,
}

/// What one secret was used for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SecretUse {
    /// How many requests.
    pub uses: u64,
    /// To which hosts.
    pub hosts: BTreeSet<String>,
}

/// What an agent, or a model, took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Attempts, or calls of a model.
    pub count: u64,
    /// Computing of attempts.
    pub fuel: Fuel,
    /// Wall time of attempts.
    pub time: Duration,
    /// Tokens.
    pub tokens: Tokens,
    /// Money.
    pub money: Money,
}

/// What a person was asked, and said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opinion {
    /// The number of the question in the run.
    pub number: u32,
    /// The task that asked.
    pub task: Option<TaskId>,
    /// What was asked.
    pub summary: String,
    /// The digest of what was to be approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What was answered; none while nobody has.
    pub answer: Option<String>,
    /// By whom.
    pub by: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
}

/// A place where the clock of the record does something odd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "gap")]
pub enum Gap {
    /// Nothing was recorded for a long time, and neither a rest nor a wait explains it.
    Silence {
        /// The entry after it.
        position: u64,
        /// How long.
        span: Duration,
    },
    /// An entry is older than the one before.
    Regression {
        /// The entry.
        position: u64,
        /// By how much.
        by: Duration,
    },
}

/// Sums over a record.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Totals {
    /// By host.
    pub hosts: BTreeMap<String, Host>,
    /// By command line.
    pub commands: BTreeMap<String, Command>,
    /// By name.
    pub secrets: BTreeMap<String, SecretUse>,
    /// By agent.
    pub agents: BTreeMap<String, Cost>,
    /// By model.
    pub models: BTreeMap<String, Cost>,
    /// Questions to people, by their numbers.
    pub people: BTreeMap<u32, Opinion>,
    /// Gaps and regressions, in order.
    pub gaps: Vec<Gap>,
    #[serde(skip)]
    last: Option<Timestamp>,
    /// What is under way by itself: nothing has to be recorded meanwhile.
    #[serde(skip)]
    waits: u64,
    #[serde(skip)]
    attempts: HashMap<(TaskId, u32), String>,
}

impl Totals {
    /// Takes note of a deed.
    pub fn deed(&mut self, deed: &Deed) {
        let is_denied = matches!(deed.outcome, Outcome::Denied { .. });
        if let Some(host) = deed.host() {
            let known = self.hosts.entry(host.to_owned()).or_default();
            *(if is_denied { &mut known.denied } else { &mut known.requests }) += 1;
            known.methods.insert(deed.operation.to_uppercase());
            known.tasks.extend(deed.task.clone());
            for secret in &deed.secrets {
                let used = self.secrets.entry(secret.clone()).or_default();
                used.uses += 1;
                used.hosts.insert(host.to_owned());
            }
        }
        match deed.capability {
            Capability::Exec => {
                let command = self.commands.entry(deed.resource.clone()).or_default();
                *(if is_denied { &mut command.denied } else { &mut command.runs }) += 1;
                let status = match &deed.outcome {
                    Outcome::Ok { status } => status.clone(),
                    Outcome::Failed { error } => error.clone(),
                    Outcome::Denied { .. } => "denied".to_owned(),
                };
                *command.statuses.entry(status).or_default() += 1;
                command.isolation.extend(deed.isolation.iter().cloned());
            }
            Capability::Model if !is_denied => {
                let model = self.models.entry(deed.resource.clone()).or_default();
                model.count += deed.calls;
                model.tokens += deed.spent.tokens;
                model.money += deed.spent.money;
            }
            _ => {}
        }
    }

    /// Takes note of an entry.
    pub fn record(&mut self, position: Position, record: &Record) {
        self.clock(position, record);
        match &record.entry {
            Entry::AttemptStarted { agent, .. } => {
                if let Some(who) = record.task.clone().zip(record.attempt) {
                    self.attempts.insert(who, agent.to_string());
                }
            }
            Entry::AttemptEnded { usage, .. } => {
                let who = record.task.clone().zip(record.attempt);
                let agent = who.and_then(|who| self.attempts.remove(&who)).unwrap_or_default();
                let cost = self.agents.entry(agent).or_default();
                cost.count += 1;
                cost.fuel += usage.fuel;
                cost.time = cost.time.saturating_add(usage.time);
                cost.tokens += usage.tokens;
                cost.money += usage.money;
            }
            Entry::Published(Outbox { asked: Some(asked), .. }) => self.asked(record.task.as_ref(), asked),
            Entry::Committed { published: Outbox { asked: Some(asked), .. }, .. } => {
                self.asked(record.task.as_ref(), asked);
            }
            Entry::Answered { number, answer } => {
                if let Some(opinion) = self.people.get_mut(number) {
                    opinion.answer = Some(match &answer.reply {
                        Reply::Text(text) => text.clone(),
                        Reply::Approve(subject) => format!("approved {subject}"),
                        Reply::Reject(subject) => format!("rejected {subject}"),
                    });
                    opinion.by = Some(answer.by.clone());
                    opinion.at = Some(record.at);
                }
            }
            _ => {}
        }
    }

    fn asked(&mut self, task: Option<&TaskId>, asked: &Asked) {
        let subject = match &asked.question.wants {
            Wants::Approval(subject) => Some(subject.to_string()),
            Wants::Text | Wants::Option(_) => None,
        };
        let summary = asked.question.summary.clone();
        let (number, task) = (asked.number, task.cloned());
        let opinion = Opinion { number, task, summary, subject, answer: None, by: None, at: None };
        self.people.insert(number, opinion);
    }

    fn clock(&mut self, position: Position, record: &Record) {
        let explained = match &record.entry {
            Entry::RunResumed { .. } | Entry::Idled { .. } | Entry::Forked { .. } => true,
            Entry::TaskChanged { .. } => self.waits > 0,
            _ => false,
        };
        if let Some(last) = self.last {
            if record.at < last {
                self.gaps.push(Gap::Regression { position: position.0, by: last.since(record.at) });
            } else if record.at.since(last) > SILENCE && !explained {
                self.gaps.push(Gap::Silence { position: position.0, span: record.at.since(last) });
            }
        }
        self.last = Some(record.at);
        match &record.entry {
            Entry::AttemptSuspended { .. } => self.waits += 1,
            Entry::TaskChanged { from: longhaul_core::state::TaskState::Waiting, .. } => {
                self.waits = self.waits.saturating_sub(1);
            }
            _ => {}
        }
    }
}
