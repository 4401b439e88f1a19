//! Whom the work is given to: child tasks in a host, anything else in a test.

use longhaul_sdk::{Error, Failure, context, tasks};
use serde_json::Value;

/// A task for somebody else.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Unique among all tasks of the goal.
    pub name: String,
    /// Who does it.
    pub agent: String,
    /// Its input.
    pub input: Value,
    /// Tasks that have to end well first, by name.
    pub needs: Vec<String>,
    /// Higher goes first.
    pub priority: i32,
}

/// How such a task ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// Well, with its output.
    Completed(Value),
    /// Not, for this reason.
    Not(String),
    /// It never began: it cannot be asked for, for this reason.
    Refused(String),
}

/// Does tasks.
pub trait Team {
    /// Has all of these done, and waits for their ends.
    ///
    /// # Errors
    /// Nobody can be asked for anything.
    fn work(&mut self, requests: Vec<Request>) -> Result<Vec<Ended>, Failure>;

    /// Tells how far it is.
    fn tell(&mut self, round: u32, rounds: u32, note: &str);
}

/// The run that the agent is part of.
pub(crate) struct Host;

impl Team for Host {
    fn work(&mut self, requests: Vec<Request>) -> Result<Vec<Ended>, Failure> {
        let mut asked = Vec::with_capacity(requests.len());
        for Request { name, agent, input, needs, priority } in requests {
            let request = tasks::Request { needs, priority, ..tasks::Request::new(&name, agent, &input) };
            asked.push(match tasks::spawn(&request) {
                Ok(child) => Ok(child),
                // A model may have made up the agent; whoever planned it is told.
                Err(error @ (Error::Invalid(_) | Error::Denied(_))) => Err(error.to_string()),
                Err(error) => return Err(Failure::from(error).context(format!("ask for the task `{name}`"))),
            });
        }
        let children: Vec<_> = asked.iter().flatten().cloned().collect();
        let mut ends = match children.is_empty() {
            true => Vec::new(),
            false => tasks::wait(&children, None)?,
        }
        .into_iter();
        let end = |asked: Result<String, String>| match asked {
            Ok(_) => ends.next().map_or_else(|| Ended::Not("nothing is known of it".to_owned()), Ended::from),
            Err(reason) => Ended::Refused(reason),
        };
        Ok(asked.into_iter().map(end).collect())
    }

    fn tell(&mut self, round: u32, rounds: u32, note: &str) {
        context::progress(round.into(), Some(rounds.into()), note);
    }
}

impl From<tasks::TaskStatus> for Ended {
    fn from(status: tasks::TaskStatus) -> Self {
        use tasks::TaskStatus;
        match status {
            TaskStatus::Completed(text) => Ended::Completed(serde_json::from_str(&text).unwrap_or_default()),
            TaskStatus::Failed(reason) => Ended::Not(reason),
            TaskStatus::Skipped(_) => Ended::Not("it was skipped".to_owned()),
            TaskStatus::Cancelled => Ended::Not("it was cancelled".to_owned()),
            TaskStatus::Pending | TaskStatus::Running => Ended::Not("it did not end".to_owned()),
        }
    }
}
