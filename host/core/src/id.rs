//! Names of things: runs, tasks, attempts.
//!
//! Each is a newtype whose constructor checks its form, so that a name which came from a file, a guest or a command
//! line can be used as part of a path, a query or a message without a second thought.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A name that does not have the required form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}: {rule}")]
pub struct IdError {
    /// What was expected, for example `task name`.
    pub what: &'static str,
    /// What was found, at most 80 characters of it.
    pub text: String,
    /// The form that is required.
    pub rule: &'static str,
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the form of `text`.
            ///
            /// # Errors
            /// [`IdError`] where it does not have the required form.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                if $check(&text) {
                    Ok(Self(text))
                } else {
                    Err(IdError { what: $what, text: text.chars().take(80).collect(), rule: $rule })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id_type!(
    /// One execution of a workflow. Ids made by the host sort by the time they were made.
    RunId,
    "run id",
    is_run_id,
    "lower-case letters, digits and `-`, at most 64"
);

id_type!(
    /// A name written in a workflow: a task, an agent, a strategy.
    Name,
    "name",
    is_name,
    "a letter or `_`, then letters, digits, `_` and `-`, at most 64"
);

id_type!(
    /// A node of a run's graph: a task's name, followed for an element of a `for_each` by its index, as in `change[3]`. A task
    /// that an agent asked for has its parent's id in front of its own name, as in `change[3].tests`.
    TaskId,
    "task id",
    is_task_id,
    "a task name, optionally followed by `[INDEX]`, and by `.NAME` for each child below it (at most 8)"
);

/// How deep children of children can go.
const MAX_DEPTH: usize = 8;

impl TaskId {
    /// The id of a task that is written in the workflow and stands for itself.
    pub fn single(name: &Name) -> Self {
        Self(name.0.clone())
    }

    /// The id of element `index` of a `for_each` task.
    pub fn element(name: &Name, index: usize) -> Self {
        Self(format!("{name}[{index}]"))
    }

    /// The id of the child `name` of this task.
    ///
    /// # Errors
    /// [`IdError`] where that would be too deep.
    pub fn child(&self, name: &Name) -> Result<Self, IdError> {
        Self::new(format!("{self}.{name}"))
    }

    /// The index of an element of a `for_each`; none for a task that stands for itself, and for a child.
    pub fn index(&self) -> Option<usize> {
        self.0.split_once('[').and_then(|(_, index)| index.strip_suffix(']')?.parse().ok())
    }

    /// The task that this is an element of, or the task itself.
    pub fn whole(&self) -> TaskId {
        match self.index() {
            Some(_) => Self(self.name().to_owned()),
            None => self.clone(),
        }
    }

    /// The task that asked for this one; none for a task of the workflow.
    pub fn parent(&self) -> Option<TaskId> {
        self.0.rsplit_once('.').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The task of the workflow, or the element of one, that this comes from by asking; the task itself where nobody asked for it.
    pub fn root(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }

    /// Whether the host itself asked for this task, to repair its parent, or one asked for it that the host asked for.
    pub fn is_repair(&self) -> bool {
        // No agent can ask for a child of such a name.
        self.0.contains("._")
    }

    /// By what tasks are listed: by name, then by index, and what another task asked for behind that.
    pub fn listed(&self) -> (&str, Option<usize>, &str) {
        let root = self.root();
        let index = root.split_once('[').and_then(|(_, index)| index.strip_suffix(']')?.parse().ok());
        (self.name(), index, &self.0[root.len()..])
    }

    /// The name of the task in the workflow that this is, is an element of, or comes from.
    pub fn name(&self) -> &str {
        self.0.split(['[', '.']).next().unwrap_or(&self.0)
    }
}

/// One try at a task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The task that is tried.
    pub task: TaskId,
    /// 1 for the first try.
    pub number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.task, self.number)
    }
}

fn is_run_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .enumerate()
            .all(|(i, b)| b.is_ascii_alphabetic() || b == b'_' || (i > 0 && (b.is_ascii_digit() || b == b'-')))
}

fn is_task_id(text: &str) -> bool {
    let mut parts = text.split('.');
    let root = parts.next().unwrap_or_default();
    let mut depth = 0;
    is_root_id(root)
        && parts.all(|name| {
            depth += 1;
            depth <= MAX_DEPTH && is_name(name)
        })
}

fn is_root_id(text: &str) -> bool {
    match text.split_once('[') {
        None => is_name(text),
        Some((name, index)) => {
            is_name(name)
                && index
                    .strip_suffix(']')
                    .is_some_and(|digits| (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_form() {
        for good in ["a", "_x", "codemod", "rust-2024", "A9"] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        for bad in ["", "9a", "-a", "a b", "a/b", "ä", "a\0", &"x".repeat(65)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn task_ids_carry_an_index() {
        let name = Name::new("change").unwrap();
        let element = TaskId::element(&name, 3);
        assert_eq!(element.as_str(), "change[3]");
        assert_eq!((element.name(), element.index()), ("change", Some(3)));
        assert_eq!((element.whole(), element.parent()), (TaskId::single(&name), None));
        assert_eq!(TaskId::new("change[3]").unwrap(), element);
        for bad in ["change[", "change[]", "change[x]", "change[1]x", "change[1", "[1]"] {
            assert!(TaskId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn task_ids_of_children_name_their_parents() {
        let element = TaskId::element(&Name::new("change").unwrap(), 3);
        let child = element.child(&Name::new("tests").unwrap()).unwrap();
        assert_eq!(child.as_str(), "change[3].tests");
        assert_eq!((child.name(), child.index(), child.parent()), ("change", None, Some(element)));
        assert_eq!((child.whole(), child.root()), (child.clone(), "change[3]"));
        let repairs = ["a._undo-1", "a[2]._part-1-0.tests"].map(|id| TaskId::new(id).unwrap().is_repair());
        let others = ["_a", "a_b[2].tests_"].map(|id| TaskId::new(id).unwrap().is_repair());
        assert_eq!((repairs, others), ([true; 2], [false; 2]));
        let mut listed = ["b", "change[10]", "change[3].tests", "change", "change[3]", "change.x"]
            .map(|id| TaskId::new(id).unwrap());
        listed.sort_by(|one, other| one.listed().cmp(&other.listed()));
        assert_eq!(listed.map(String::from), ["b", "change", "change.x", "change[3]", "change[3].tests", "change[10]"]);
        let mut deepest = TaskId::new("a").unwrap();
        for _ in 0..MAX_DEPTH {
            deepest = deepest.child(&Name::new("b").unwrap()).unwrap();
        }
        assert!(deepest.child(&Name::new("b").unwrap()).is_err());
        for bad in ["change.", "change.3", "change[3]tests", "change.[3]", ".a", "a..b"] {
            assert!(TaskId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bad_run_id_says_what_is_expected() {
        let error = RunId::new("../etc").unwrap_err();
        assert_eq!(error.to_string(), "`../etc` is not a run id: lower-case letters, digits and `-`, at most 64");
    }
}
