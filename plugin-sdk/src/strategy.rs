//! What a recovery strategy is to its author: one pure function from a situation to a decision.

use serde::de::DeserializeOwned;

use crate::bindings::strategy::exports::longhaul::plugin::recovery::Situation as WitSituation;
pub use crate::bindings::strategy::exports::longhaul::plugin::recovery::{
    Decision, Incident, IncidentClass, Past, Rollback,
};
use crate::decode::decode;

/// A recovery strategy: it decides about failed attempts. Mark the implementation with [`macro@crate::strategy`].
///
/// It has to be pure: the same situation always gets the same decision. Where chance is wanted, take
/// [`Situation::random`].
pub trait Strategy {
    /// The strategy's `config` in the workflow; [`Empty`](crate::Empty) where there is none.
    type Config: DeserializeOwned;

    /// Decides, or leaves it to the next strategy of the chain by `None`.
    ///
    /// # Errors
    /// Counts as `None`; the text is recorded.
    fn decide(situation: Situation<Self::Config>) -> Result<Option<Decision>, String>;
}

/// All that a strategy sees.
#[derive(Clone, Debug)]
pub struct Situation<Config> {
    /// What happened now.
    pub incident: Incident,
    /// What happened to the same task before, oldest first.
    pub history: Vec<Past>,
    /// Checkpoints that can be gone back to, newest first.
    pub checkpoints: Vec<String>,
    /// Agents that could take the task over.
    pub agents: Vec<String>,
    /// A random number, the same whenever this situation is replayed.
    pub random: u64,
    /// The strategy's `config`.
    pub config: Config,
}

/// Decodes the config and asks the strategy. The exported function of a strategy is this.
#[doc(hidden)]
pub fn decide_strategy<S: Strategy>(situation: WitSituation) -> Result<Option<Decision>, String> {
    let config = decode("config of the strategy", &situation.config)?;
    S::decide(Situation {
        incident: situation.incident,
        history: situation.history,
        checkpoints: situation.checkpoints,
        agents: situation.agents,
        random: situation.random,
        config,
    })
}
