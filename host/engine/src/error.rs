//! Why a run could not be carried to any end at all.

use crate::ports::JournalError;
use longhaul_core::digest::Digest;
use longhaul_core::graph::GraphError;
use longhaul_core::id::RunId;
use longhaul_core::manifest::PluginKind;
use longhaul_core::state::{IllegalTransition, RunState};
use longhaul_core::workflow::expr::EvaluationError;

/// A run has no end: it could not begin, or its record was lost. Failing tasks are not errors but ends, see
/// [`RunReport`](crate::RunReport).
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The record cannot be written. What happened after its last acknowledged entry counts as not happened: nothing was
    /// committed or applied since.
    #[error("the journal of run `{run}` cannot be written, so the run was stopped; what is in the journal is safe")]
    Journal {
        /// The run.
        run: RunId,
        /// What went wrong.
        source: JournalError,
    },
    /// A plugin that the workflow names was not loaded. Nothing was recorded.
    #[error("the {kind} `{name}` was not loaded")]
    PluginMissing {
        /// Its kind.
        kind: PluginKind,
        /// Its name in the workflow.
        name: String,
    },
    /// A text of the workflow cannot be evaluated with these inputs. Nothing was recorded.
    #[error("`{field}` cannot be worked out with these inputs")]
    Evaluate {
        /// The field of the workflow file.
        field: String,
        /// What went wrong.
        source: EvaluationError,
    },
    /// A plugin is not the one that the run began with. Nothing was recorded.
    #[error("the {kind} `{name}` is {found} now, and the run began with {recorded}; only the same component can go on")]
    PluginChanged {
        /// Its kind.
        kind: PluginKind,
        /// Its name in the workflow.
        name: String,
        /// The digest that the record names.
        recorded: Digest,
        /// The digest that was loaded.
        found: Digest,
    },
    /// A run that has ended for good. Nothing was recorded.
    #[error("run `{run}` is {state}, and what is {state} does not go on; start a new run")]
    Over {
        /// The run.
        run: RunId,
        /// Its state.
        state: RunState,
    },
    /// The tasks of the workflow do not form a graph. Nothing was recorded.
    #[error("the tasks of the workflow cannot be ordered")]
    Graph(#[from] GraphError),
    /// The host is at fault; the run can be looked at, and what is in the journal is safe.
    #[error("the engine has a defect and stopped the run `{run}`: {what}; please report this")]
    Defect {
        /// The run.
        run: RunId,
        /// What was found.
        what: String,
    },
}

/// What stops the engine in the middle of a run, wherever it is noticed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Halt {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("{0}")]
    Defect(String),
}

impl Halt {
    pub(crate) fn of_run(self, run: RunId) -> EngineError {
        match self {
            Halt::Journal(source) => EngineError::Journal { run, source },
            defect => EngineError::Defect { run, what: defect.to_string() },
        }
    }
}
