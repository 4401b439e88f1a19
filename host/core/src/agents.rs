//! [`Agents`]: who may work on a task.

use crate::id::Name;
use std::sync::Arc;

/// The agents that may work on a task, at least one, none of them twice. Whichever has room does it; the order decides among equals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agents(Arc<[Name]>);

impl Agents {
    /// One agent.
    pub fn only(agent: Name) -> Self {
        Self([agent].into())
    }

    /// `first`, or any of `others`.
    pub fn any(first: Name, others: impl IntoIterator<Item = Name>) -> Self {
        let mut all = vec![first];
        for other in others {
            if !all.contains(&other) {
                all.push(other);
            }
        }
        Self(all.into())
    }

    /// The one that is named first.
    pub fn first(&self) -> &Name {
        &self.0[0]
    }

    /// Those that are named behind it.
    pub fn others(&self) -> &[Name] {
        &self.0[1..]
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Name> {
        self.0.iter()
    }

    /// Whether there is but one.
    pub fn is_single(&self) -> bool {
        self.0.len() == 1
    }
}

impl From<Name> for Agents {
    fn from(agent: Name) -> Self {
        Self::only(agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_there_twice() {
        let name = |text: &str| Name::new(text).unwrap();
        let agents = Agents::any(name("a"), [name("b"), name("a"), name("b")]);
        assert_eq!(agents.iter().map(Name::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((agents.first().as_str(), agents.others().len(), agents.is_single()), ("a", 1, false));
        assert!(Agents::only(name("a")).is_single());
    }
}
