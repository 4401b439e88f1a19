//! Commits: one at a time, acknowledged by the record.

use super::desk::Desk;
use crate::ports::{CommitFailed, Committed, OpenStage};
use crate::shared::Shared;
use crate::transcript::{Fault, Transcript};
use longhaul_core::attempt::{Divergence, RecordError};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Change, Entry};
use longhaul_core::id::AttemptId;
use longhaul_core::incident::{IncidentClass, Problem};
use serde_json::json;

/// Makes what `stage` holds part of the workspace, and what lies on the `desk` part of the run; without a stage, that alone.
///
/// The order is the guarantee: what the attempt did is durable before its version is made, and the version becomes the
/// current one only when the entry which says so is durable. A crash in between leaves the version unused.
pub(super) async fn commit(
    shared: &Shared,
    transcript: &Transcript,
    attempt: &AttemptId,
    stage: Option<&dyn OpenStage>,
    desk: &Desk,
) -> Result<Result<Vec<Change>, Problem>, Fault> {
    if let Some(made) = transcript.take(attempt.number, made)? {
        // It was made before the run was resumed, and has been counted.
        desk.was_published();
        if let (true, Some(stage), Some(made)) = (shared.proves, stage, made) {
            prove(attempt, stage, made).await?;
        }
        return Ok(Ok(Vec::new()));
    }
    let Some(stage) = stage else {
        publish(shared, desk).await?;
        return Ok(Ok(Vec::new()));
    };
    shared.ledger.flush().await?;
    let turn = shared.head.turn().await;
    // Whoever was in line before may have found that the record is lost.
    shared.ledger.check()?;
    let head = shared.head.version();
    match stage.commit(head).await {
        Ok(Committed { version, .. }) if version == head => {
            publish(shared, desk).await?;
            Ok(Ok(Vec::new()))
        }
        Ok(Committed { base, version, changes }) => {
            let changed = changes.clone();
            shared.head.record(|recorded| {
                *recorded = version;
                desk.note(|published| Entry::Committed { base, version, changes: changed, published })
            })?;
            shared.ledger.flush().await?;
            turn.advance(version);
            desk.published();
            Ok(Ok(changes))
        }
        Err(failed) => Ok(Err(problem(failed))),
    }
}

/// A version that was made, and the one that it was made on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    base: Digest,
    version: Digest,
}

/// What an entry says of a commit that was made before: with the versions, or without where there was none to be made.
pub(super) fn made(entry: &Entry) -> Option<Option<Made>> {
    match entry {
        Entry::Committed { base, version, .. } => Some(Some(Made { base: *base, version: *version })),
        Entry::Published(_) => Some(None),
        _ => None,
    }
}

/// Makes a commit again from what the stage holds: it has to come to the same version, to the byte.
pub(super) async fn prove(attempt: &AttemptId, stage: &dyn OpenStage, made: Made) -> Result<(), Fault> {
    let found = match stage.commit(made.base).await {
        Ok(Committed { version, .. }) if version == made.version => return Ok(()),
        Ok(Committed { version, .. }) => format!("the version {version}"),
        Err(failed) => format!("no version: {failed}"),
    };
    let expected = format!("the version {}", made.version);
    let divergence = Divergence { attempt: attempt.clone(), expected, found };
    Err(Fault::of(RecordError::Diverged(divergence)))
}

/// Makes what lies on the desk part of the run, where there is no version to be made with it.
async fn publish(shared: &Shared, desk: &Desk) -> Result<(), Fault> {
    if !desk.is_clear() {
        desk.note(Entry::Published)?;
        shared.ledger.flush().await?;
        desk.published();
    }
    Ok(())
}

fn problem(failed: CommitFailed) -> Problem {
    let message = failed.to_string();
    match failed {
        CommitFailed::Conflict { paths } => {
            let paths: Vec<_> = paths.iter().map(|path| path.as_str()).collect();
            Problem::new(IncidentClass::Conflict, message).with_evidence(json!({ "paths": paths }))
        }
        CommitFailed::Io(_) => Problem::new(IncidentClass::Transient, message),
    }
}
