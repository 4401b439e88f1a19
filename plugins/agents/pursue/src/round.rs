//! One round: what is known, what is planned, what came of it.

use crate::config::Config;
use crate::plan::planned;
use crate::team::{Ended, Request, Team};
use longhaul_sdk::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The most bytes of JSON that a planner is told of one task's output; of a longer one it is told the beginning, as text.
const TOLD: usize = 4 << 10;
/// The same, of what the check says.
const TOLD_OF_CHECK: usize = 64 << 10;
/// The most tasks of a round that the next planner is told of one by one; those that did not end well come first.
const LISTED: usize = 100;

/// What a round is part of.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What is to be reached.
    pub objective: &'a str,
    /// The number of the attempt: no two rounds have the same.
    pub attempt: u32,
    /// Who plans, works and checks.
    pub config: &'a Config,
}

/// What is handed from round to round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Rounds that are over.
    pub rounds: u32,
    /// What the check said last; none before it was asked.
    pub check: Option<Value>,
    /// The tasks of the last round with what came of them.
    pub last: Vec<Value>,
    /// Tasks that were completed.
    pub completed: u64,
    /// Tasks that were not.
    pub failed: u64,
}

/// The objective is met.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Met {
    /// Always true: what does not get here has failed.
    pub met: bool,
    /// Rounds that it took.
    pub rounds: u32,
    /// Tasks that were completed.
    pub completed: u64,
    /// Tasks that were not.
    pub failed: u64,
    /// What the check said.
    pub check: Value,
}

/// Works for one round: plans, has it done, and checks. Before the first one only the check is asked.
///
/// # Errors
/// The planner fails or knows nothing more to do, the check cannot be used, or there were as many rounds as there may be.
pub fn pursue(
    situation: &Situation<'_>,
    mut progress: Progress,
    team: &mut impl Team,
) -> Result<Outcome<Met, Progress>, Failure> {
    let Situation { attempt, config, .. } = *situation;
    let prefix = format!("r{attempt}");
    if progress.check.is_some() {
        team.tell(progress.rounds, config.rounds, "planning");
        match plan(situation, &prefix, &progress, team)? {
            Ok(plan) if plan.is_empty() => {
                let what = "plans nothing more, and the objective is not met";
                return Err(Failure::validation(format!("`{}` {what}: {}", config.planner, said(&progress))));
            }
            Ok(plan) => {
                team.tell(progress.rounds, config.rounds, &format!("working on {} tasks", plan.len()));
                let names: Vec<_> = plan.iter().map(|request| (request.name.clone(), request.agent.clone())).collect();
                let ends = team.work(plan)?;
                progress.take(names, ends);
            }
            // Nothing was done that could be checked. The planner is told, and tries again.
            Err(useless) => {
                progress.rounds += 1;
                progress.last = vec![json!({ "agent": config.planner, "failed": useless.message })];
                return go_on(config, progress);
            }
        }
    }
    team.tell(progress.rounds, config.rounds, "checking");
    let input = Value::Object(config.check_with.clone());
    match only(team.work(vec![request(format!("{prefix}-check"), &config.check, input)])?) {
        Ended::Completed(output) if is_met(config, &output)? => {
            let Progress { rounds, completed, failed, .. } = progress;
            return Ok(Outcome::Completed(Met { met: true, rounds, completed, failed, check: output }));
        }
        Ended::Completed(output) => progress.check = Some(json!({ "output": cut(output, TOLD_OF_CHECK) })),
        Ended::Not(reason) => progress.check = Some(json!({ "failed": reason })),
        Ended::Refused(reason) => return Err(refused("check", &reason)),
    }
    go_on(config, progress)
}

/// Another round, where there may be one.
fn go_on(config: &Config, progress: Progress) -> Result<Outcome<Met, Progress>, Failure> {
    if progress.rounds >= config.rounds {
        let message = format!("the objective is not met after {} rounds: {}", progress.rounds, said(&progress));
        return Err(Failure::exhausted(message).with_detail(&progress));
    }
    Ok(Outcome::ContinueAsNew(progress))
}

impl Progress {
    /// Takes note of what came of a round's tasks.
    fn take(&mut self, tasks: Vec<(String, String)>, ends: Vec<Ended>) {
        self.rounds += 1;
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for ((name, agent), end) in tasks.into_iter().zip(ends) {
            match end {
                Ended::Completed(output) => {
                    self.completed += 1;
                    good.push(json!({ "task": name, "agent": agent, "output": cut(output, TOLD) }));
                }
                Ended::Not(reason) | Ended::Refused(reason) => {
                    self.failed += 1;
                    bad.push(json!({ "task": name, "agent": agent, "failed": reason }));
                }
            }
        }
        bad.append(&mut good);
        bad.truncate(LISTED);
        self.last = bad;
    }
}

/// The plan of a round, or why it cannot be used.
fn plan(
    situation: &Situation<'_>,
    prefix: &str,
    progress: &Progress,
    team: &mut impl Team,
) -> Result<Result<Vec<Request>, Failure>, Failure> {
    let config = situation.config;
    let mut input: Map<String, Value> = config.plan_with.clone();
    let goal = json!({
        "objective": situation.objective, "round": progress.rounds + 1, "check": progress.check, "last": progress.last,
    });
    input.insert("goal".to_owned(), goal);
    match only(team.work(vec![request(format!("{prefix}-plan"), &config.planner, Value::Object(input))])?) {
        Ended::Completed(output) => Ok(planned(&output, prefix, config)),
        Ended::Not(reason) => Err(Failure::fatal(format!("`{}` has no plan: {reason}", config.planner))),
        Ended::Refused(reason) => Err(refused("planner", &reason)),
    }
}

/// The agent that this field of the configuration names cannot be asked.
fn refused(field: &str, reason: &str) -> Failure {
    Failure::invalid_input(format!("the configured `{field}` cannot be asked: {reason}"))
}

fn request(name: String, agent: &str, input: Value) -> Request {
    Request { name, agent: agent.to_owned(), input, needs: Vec::new(), priority: 0 }
}

fn only(ends: Vec<Ended>) -> Ended {
    ends.into_iter().next().unwrap_or_else(|| Ended::Not("nothing is known of it".to_owned()))
}

fn is_met(config: &Config, output: &Value) -> Result<bool, Failure> {
    let Some(field) = &config.met else { return Ok(true) };
    output.get(field).and_then(Value::as_bool).ok_or_else(|| {
        let message = format!("the output of `{}` has no `{field}` that is true or false; see `met`", config.check);
        Failure::invalid_input(message)
    })
}

/// What the check said, for a person.
fn said(progress: &Progress) -> String {
    let check = progress.check.as_ref();
    match check.and_then(|check| check.get("failed")).and_then(Value::as_str) {
        Some(reason) => reason.to_owned(),
        None => check.map(|check| check["output"].to_string().chars().take(400).collect()).unwrap_or_default(),
    }
}

/// A value as it is told: whole, or the beginning of its text.
fn cut(value: Value, most: usize) -> Value {
    let text = value.to_string();
    match text.len() > most {
        false => value,
        true => json!({ "beginning": &text[..text.floor_char_boundary(most)], "bytes": text.len() }),
    }
}

#[cfg(test)]
mod tests;
