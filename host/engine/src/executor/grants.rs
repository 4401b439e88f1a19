//! Grants, worked out once for each agent and task: compiling file patterns costs more than a small task does.

use super::instance::Access;
use longhaul_core::approvals::Approvals;
use longhaul_core::grant::{FsPermissions, Grant, Party, PatternError, Permissions};
use longhaul_core::id::{Name, TaskId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The grants of a run so far. There are at most two for each agent and task of the workflow.
pub(crate) struct Grants {
    known: Mutex<HashMap<(Name, String, Access), Grant>>,
    /// What a person has to approve each time.
    approvals: Arc<Approvals>,
}

impl Grants {
    /// No grants yet of a run with these approvals.
    pub(crate) fn new(approvals: Approvals) -> Self {
        Self { known: Mutex::default(), approvals: Arc::new(approvals) }
    }

    /// What `agent` may do when it works on `task`: what it asks for, the operator allows and the task gives.
    pub(crate) fn get(
        &self,
        agent: &Name,
        task: &TaskId,
        access: Access,
        asks: &Permissions,
        policy: Option<&Permissions>,
        gives: &Permissions,
    ) -> Result<Grant, PatternError> {
        // All elements of a task have its permissions, so its name is enough.
        let key = (agent.clone(), task.name().to_owned(), access);
        // Grants are put in whole, so a panic elsewhere leaves none that is half made.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(grant) = known.get(&key) {
            return Ok(grant.clone());
        }
        let mut gives = gives.clone();
        if access == Access::ReadOnly {
            gives.fs = gives.fs.map(|fs| FsPermissions { write: Vec::new(), ..fs });
        }
        let layers = [
            Some((Party::Manifest, asks.clone())),
            policy.cloned().map(|policy| (Party::Policy, policy)),
            Some((Party::Task, gives)),
        ];
        let grant = Grant::new(layers.into_iter().flatten())?.approving(&self.approvals);
        known.insert(key, grant.clone());
        Ok(grant)
    }
}
