//! Commits in the middle of an attempt, as its guest asks for them.

use super::commit::{commit, made, prove};
use super::desk::Desk;
use crate::ports::OpenStage;
use crate::shared::Shared;
use crate::transcript::{Fault, Transcript, told};
use longhaul_core::attempt::{Committer, NotCommitted};
use longhaul_core::digest::Digest;
use longhaul_core::entry::Change;
use longhaul_core::id::AttemptId;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

/// Commits what one attempt has done so far.
pub(super) struct Middle {
    shared: Arc<Shared>,
    transcript: Arc<Transcript>,
    attempt: AttemptId,
    /// None where it may not change files.
    stage: Option<Arc<dyn OpenStage>>,
    desk: Arc<Desk>,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    changes: Vec<Change>,
    /// The versions that were made: the stage builds on what is in them.
    versions: Vec<Digest>,
}

impl Middle {
    pub(super) fn new(
        shared: &Arc<Shared>,
        transcript: &Arc<Transcript>,
        attempt: &AttemptId,
        stage: Option<&Arc<dyn OpenStage>>,
        desk: &Arc<Desk>,
    ) -> Arc<Self> {
        let (shared, transcript) = (Arc::clone(shared), Arc::clone(transcript));
        let (attempt, stage, desk) = (attempt.clone(), stage.cloned(), Arc::clone(desk));
        Arc::new(Self { shared, transcript, attempt, stage, desk, done: Mutex::default() })
    }

    /// What was committed so far.
    pub(super) fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner).changes)
    }

    async fn commit(&self) -> Result<(), NotCommitted> {
        let Self { shared, transcript, attempt, stage, desk, .. } = self;
        let lost = |fault: Fault| NotCommitted::Record(told(fault));
        if let Some(made) = transcript.take(attempt.number, made).map_err(lost)? {
            // It was made before the run was resumed.
            desk.was_published();
            if let (true, Some(stage), Some(made)) = (shared.proves, stage, made) {
                return prove(attempt, stage.as_ref(), made).await.map_err(lost);
            }
            return match stage {
                Some(stage) => stage.seal().await.map_err(|failed| NotCommitted::Refused(failed.to_string())),
                None => Ok(()),
            };
        }
        match commit(shared, transcript, attempt, stage.as_deref(), desk).await.map_err(lost)? {
            Ok(changes) => {
                let version = shared.head.version();
                shared.in_use.take(version);
                let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
                done.versions.push(version);
                done.changes.extend(changes);
                Ok(())
            }
            Err(problem) => Err(NotCommitted::Refused(problem.message)),
        }
    }
}

impl Committer for Middle {
    fn commit(&self) -> Pin<Box<dyn Future<Output = Result<(), NotCommitted>> + Send + '_>> {
        Box::pin(self.commit())
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        let done = self.done.get_mut().unwrap_or_else(PoisonError::into_inner);
        for version in done.versions.drain(..) {
            self.shared.in_use.give_back(version);
        }
    }
}
