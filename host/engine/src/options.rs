//! What a run is given beside its workflow, and the handle to cancel it.

use longhaul_core::grant::Permissions;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::watch;

/// What a run is given beside its workflow.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The workflow file as it was read; it goes into the record.
    pub source: String,
    /// The host's version; it goes into the record.
    pub host: String,
    /// How guests are kept apart on this machine, in words; it goes into the record.
    pub isolation: Vec<String>,
    /// The inputs, complete: see [`Workflow::inputs`](longhaul_core::workflow::model::Workflow::inputs).
    pub inputs: Map<String, Value>,
    /// What the operator allows. None means that there is no policy, and the workflow's word stands.
    pub policy: Option<Permissions>,
    /// What all randomness of the run derives from, apart from that inside guests.
    pub seed: u64,
    /// What becomes of the result.
    pub apply: Apply,
    /// How the run is cancelled, if at all.
    pub cancel: CancelHandle,
}

/// What becomes of a run's result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Apply {
    /// It is put into the user's folder when the run is done.
    #[default]
    OnSuccess,
    /// It is kept as a version, to be applied later.
    Later,
}

/// Cancels a run. Clones cancel the same run.
#[derive(Debug, Clone)]
pub struct CancelHandle(Arc<watch::Sender<bool>>);

impl CancelHandle {
    /// Ends the run soon: what is under way is dropped, nothing new begins, the record is completed. Cancelling twice, or
    /// when all is done, changes nothing.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Resolves when the run is to be cancelled.
    pub(crate) async fn cancelled(&self) {
        let mut cancelled = self.0.subscribe();
        // An error means that the sender is gone, which cannot be while it is borrowed here.
        if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Default for CancelHandle {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}
