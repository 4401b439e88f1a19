//! Who may work on a child that is asked for: the agent that is named, or all that have the skills.

use crate::shared::Configured;
use longhaul_core::children::{ChildError, Worker};
use longhaul_core::id::Name;
use std::collections::BTreeMap;

/// The first of the agents that may do it, and the others. Whoever of them has room and the fewest tasks under way does it.
pub(super) fn workers(agents: &BTreeMap<Name, Configured>, worker: &Worker) -> Result<(Name, Vec<Name>), ChildError> {
    let listed = |names: Vec<String>| names.join(", ");
    match worker {
        Worker::Agent(text) => {
            let agent = Name::new(text.as_str()).map_err(|error| ChildError::Invalid(error.to_string()))?;
            if agents.contains_key(&agent) {
                return Ok((agent, Vec::new()));
            }
            let known = listed(agents.keys().map(|name| format!("`{name}`")).collect());
            Err(ChildError::Invalid(format!("the workflow has no agent `{agent}`; it has {known}")))
        }
        Worker::Skilled { skills, granted } => {
            let is_granted = |name: &Name| {
                granted.iter().all(|list| list.iter().any(|given| given == "*" || given == name.as_str()))
            };
            let is_able =
                |agent: &Configured| skills.iter().all(|skill| agent.skills.iter().any(|has| has.as_str() == skill));
            let mut able = agents.iter().filter(|(name, agent)| is_granted(name) && is_able(agent));
            if let Some((first, _)) = able.next() {
                return Ok((first.clone(), able.map(|(name, _)| name.clone()).collect()));
            }
            let wanted = listed(skills.iter().take(20).map(|skill| format!("`{}`", super::short(skill))).collect());
            let has = |(name, agent): (&Name, &Configured)| {
                let skills = listed(agent.skills.iter().map(Name::to_string).collect());
                if skills.is_empty() { format!("`{name}` has none") } else { format!("`{name}` has {skills}") }
            };
            let known = listed(agents.iter().filter(|(name, _)| is_granted(name)).map(has).collect());
            Err(ChildError::Invalid(format!("no agent that is granted has all of the skills {wanted}: {known}")))
        }
    }
}
