//! What an agent is to its author: one function from a task to an output.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Attachment, Failure,
    bindings::agent::exports::longhaul::plugin::work::{Failure as WitFailure, Outcome as WitOutcome, Task as WitTask},
    decode::decode,
};

/// An agent: it works on tasks. Mark the implementation with [`macro@crate::agent`].
///
/// An attempt is replayed after a crash, from the same input and the same answers of the host, so an agent must not
/// depend on anything else. Nothing else is within its reach either: clocks and random numbers are part of the record.
pub trait Agent {
    /// The agent's `config` in the workflow; [`Empty`](crate::Empty) where there is none.
    type Config: DeserializeOwned;
    /// The task's `with`, all expressions evaluated.
    type Input: DeserializeOwned;
    /// What other tasks see as `tasks.NAME`: anything that serialises to a JSON object, or an [`Outcome`] of it.
    type Output: Output;

    /// Works on one task to its end.
    ///
    /// # Errors
    /// A [`Failure`] ends the attempt and drops everything that it changed since its last checkpoint.
    fn run(task: Task<Self::Config, Self::Input>) -> Result<Self::Output, Failure>;
}

/// The task to work on. Its files are in the folder `/`, which is also the current one.
#[derive(Clone, Debug)]
pub struct Task<Config, Input> {
    /// The run's id.
    pub run: String,
    /// The workflow's name.
    pub workflow: String,
    /// What the whole run is for; empty where the workflow does not say.
    pub objective: String,
    /// The task's id within the run, for example `change[3]`.
    pub id: String,
    /// The agent's name in the workflow.
    pub agent: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The task's `with`.
    pub input: Input,
    /// The agent's `config`.
    pub config: Config,
    /// What the previous instance handed over, as JSON; see [`Task::state`].
    pub state: Option<String>,
    /// The most wall time that this attempt may take.
    pub time_limit: Duration,
}

impl<Config, Input> Task<Config, Input> {
    /// What the previous instance handed over by [`Outcome::ContinueAsNew`]; none in the first instance.
    ///
    /// # Errors
    /// The state does not fit `S`.
    pub fn state<S: DeserializeOwned>(&self) -> Result<Option<S>, Failure> {
        let state = self.state.as_deref().map(|state| decode("the state handed over", state));
        state.transpose().map_err(Failure::fatal)
    }

    /// What the task is given beside its input, in the order of the workflow.
    pub fn attachments(&self) -> Vec<Attachment> {
        crate::attachment::attachments()
    }
}

/// How a task ends well, for agents that live longer than one instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T, S> {
    /// Done, with this output.
    Completed(T),
    /// Not done; go on in a fresh instance that finds this as its [`Task::state`].
    ContinueAsNew(S),
}

/// What [`Agent::run`] may return: a serialisable value, or an [`Outcome`]. Implemented for these, and closed.
pub trait Output: sealed::Sealed {
    #[doc(hidden)]
    fn into_wit(self) -> Result<WitOutcome, Failure>;
}

impl<T: Serialize> Output for T {
    fn into_wit(self) -> Result<WitOutcome, Failure> {
        let text = encode("the output", &self)?;
        match text.as_bytes().first() {
            Some(b'{') => Ok(WitOutcome::Completed(text)),
            _ if text == "null" => Ok(WitOutcome::Completed("{}".to_owned())),
            _ => Err(Failure::fatal(format!(
                "the output has to be a JSON object, and this agent's begins with `{}`; make it a field of a struct",
                text.chars().take(20).collect::<String>(),
            ))),
        }
    }
}

impl<T: Serialize, S: Serialize> Output for Outcome<T, S> {
    fn into_wit(self) -> Result<WitOutcome, Failure> {
        match self {
            Self::Completed(output) => output.into_wit(),
            Self::ContinueAsNew(state) => Ok(WitOutcome::ContinueAsNew(encode("the state to hand over", &state)?)),
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T: serde::Serialize> Sealed for T {}
    impl<T, S> Sealed for super::Outcome<T, S> {}
}

/// Decodes the task, runs the agent, encodes what it returns. The exported function of an agent is this.
#[doc(hidden)]
pub fn run_agent<A: Agent>(task: WitTask) -> Result<WitOutcome, WitFailure> {
    attempt::<A>(task).map_err(WitFailure::from)
}

fn attempt<A: Agent>(task: WitTask) -> Result<WitOutcome, Failure> {
    let config = decode(&format!("config of agent `{}`", task.agent), &task.config).map_err(Failure::invalid_input)?;
    let input =
        decode(&format!("input (`with`) of task `{}`", task.id), &task.input).map_err(Failure::invalid_input)?;
    let output = A::run(Task {
        run: task.run,
        workflow: task.workflow,
        objective: task.objective,
        id: task.id,
        agent: task.agent,
        attempt: task.attempt,
        input,
        config,
        state: task.state,
        time_limit: Duration::from_millis(task.time_limit),
    })?;
    output.into_wit()
}

fn encode(what: &str, value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::fatal(format!("{what} has no JSON form: {error}")))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{Empty, FailureKind};

    #[derive(Deserialize, Serialize)]
    struct Count {
        n: u32,
    }

    struct CountDown;

    impl Agent for CountDown {
        type Config = Empty;
        type Input = Count;
        type Output = Outcome<Count, Count>;

        fn run(task: Task<Empty, Count>) -> Result<Self::Output, Failure> {
            let left = task.state::<Count>()?.map_or(task.input.n, |state| state.n);
            Ok(match left {
                0 => Outcome::Completed(Count { n: task.input.n }),
                left => Outcome::ContinueAsNew(Count { n: left - 1 }),
            })
        }
    }

    struct Lists;

    impl Agent for Lists {
        type Config = Empty;
        type Input = Empty;
        type Output = Vec<u32>;

        fn run(_: Task<Empty, Empty>) -> Result<Vec<u32>, Failure> {
            Ok(vec![1])
        }
    }

    fn task(input: &str, state: Option<&str>) -> WitTask {
        WitTask {
            run: "r".into(),
            workflow: "w".into(),
            objective: String::new(),
            id: "count".into(),
            agent: "counter".into(),
            attempt: 1,
            input: input.into(),
            config: "{}".into(),
            state: state.map(str::to_owned),
            time_limit: 1_000,
        }
    }

    #[test]
    fn state_travels_from_instance_to_instance() {
        let first = run_agent::<CountDown>(task(r#"{"n":1}"#, None)).unwrap();
        let WitOutcome::ContinueAsNew(state) = first else { panic!("{first:?}") };
        let second = run_agent::<CountDown>(task(r#"{"n":1}"#, Some(&state))).unwrap();
        assert_eq!(second, WitOutcome::Completed(r#"{"n":1}"#.into()));
    }

    #[test]
    fn an_input_that_does_not_fit_names_task_and_field() {
        let failure = run_agent::<CountDown>(task(r#"{"n":"many"}"#, None)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidInput);
        assert!(failure.message.contains("task `count`, field `n`"), "{}", failure.message);
    }

    #[test]
    fn an_output_that_is_no_object_is_refused_before_the_host_sees_it() {
        let failure = run_agent::<Lists>(task("{}", None)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Fatal);
        assert!(failure.message.contains("[1]"), "{}", failure.message);
    }
}
