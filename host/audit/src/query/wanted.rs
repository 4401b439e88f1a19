//! Which deeds are asked for.

use super::deed::{Deed, Outcome};
use globset::GlobSet;
use longhaul_core::grant::{Capability, PatternError, patterns};
use longhaul_core::id::{Name, TaskId};
use longhaul_core::units::Timestamp;

/// How it has to have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeWanted {
    /// As asked.
    Ok,
    /// Refused.
    Denied,
    /// Gone wrong.
    Failed,
}

/// What is asked for; all of it has to hold. The default is everything.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Done by this task, by its elements, or by its children.
    pub task: Option<TaskId>,
    /// Done by this agent.
    pub agent: Option<Name>,
    /// Done with this capability.
    pub capability: Option<Capability>,
    /// Changed files, or tried to.
    pub writes: bool,
    /// Requests to this host, or to one below it.
    pub host: Option<String>,
    /// Commands that begin with these words.
    pub command: Option<String>,
    /// Ended so.
    pub outcome: Option<OutcomeWanted>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub to: Option<Timestamp>,
    /// Done to files with such paths.
    pub within: Option<Paths>,
    /// Done to files with other paths.
    pub outside: Option<Paths>,
}

/// Paths by their patterns.
#[derive(Debug, Clone)]
pub struct Paths(GlobSet);

impl Paths {
    /// Those of any of these patterns; none where there are no patterns.
    ///
    /// # Errors
    /// [`PatternError`] for a pattern that is none.
    pub fn of(list: &[String]) -> Result<Option<Self>, PatternError> {
        if list.is_empty() {
            return Ok(None);
        }
        patterns(list).map(|globs| Some(Self(globs)))
    }

    fn has(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

impl Wanted {
    /// Whether it is about paths.
    fn is_of_paths(&self) -> bool {
        self.within.is_some() || self.outside.is_some()
    }

    /// Whether a deed is wanted.
    pub fn takes(&self, deed: &Deed) -> bool {
        let is_of_task = |task: &TaskId| {
            let (wanted, found) = (task.as_str(), deed.task.as_ref().map_or("", |task| task.as_str()));
            found.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
        };
        let has_ended = |outcome: OutcomeWanted| match outcome {
            OutcomeWanted::Ok => matches!(deed.outcome, Outcome::Ok { .. }),
            OutcomeWanted::Denied => matches!(deed.outcome, Outcome::Denied { .. }),
            OutcomeWanted::Failed => matches!(deed.outcome, Outcome::Failed { .. }),
        };
        let is_to_host = |host: &String| {
            let found = deed.host().unwrap_or_default();
            found == host || found.strip_suffix(host.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        let is_command = |command: &String| {
            let rest = deed.resource.strip_prefix(command.as_str());
            deed.capability == Capability::Exec && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        // A commit of a path is not an action with a capability of its own; who asks for actions is not told of it.
        let is_of_capability = |capability: Capability| {
            deed.capability == capability && (deed.operation != "commit" || self.writes || self.is_of_paths())
        };
        let is_asked_for = deed.operation != "commit" || self.writes || self.is_of_paths();
        is_asked_for
            && self.task.as_ref().is_none_or(is_of_task)
            && self.agent.as_ref().is_none_or(|agent| deed.agent.as_ref() == Some(agent))
            && self.capability.is_none_or(is_of_capability)
            && (!self.writes || deed.is_write())
            && self.host.as_ref().is_none_or(is_to_host)
            && self.command.as_ref().is_none_or(is_command)
            && self.outcome.is_none_or(has_ended)
            && self.from.is_none_or(|from| deed.at >= from)
            && self.to.is_none_or(|to| deed.at <= to)
            && (!self.is_of_paths() || deed.capability == Capability::Fs)
            && self.within.as_ref().is_none_or(|within| within.has(&deed.resource))
            && self.outside.as_ref().is_none_or(|outside| !outside.has(&deed.resource))
    }
}
