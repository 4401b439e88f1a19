//! Checkpoints: where the run can be gone back to.
//!
//! A checkpoint is an entry of the record and nothing else: the version that it names is kept, and what stands in the record up
//! to it says how all tasks stood. One is made when a task's work is committed, when some time has passed, and on demand. The
//! newest few are kept; content that only older ones have is collected.

use super::dispatcher::Dispatcher;
use crate::error::Halt;
use crate::history::{Checkpoint, History};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{CheckpointReason, Entry, Position};
use longhaul_core::units::Bytes;
use std::collections::{BTreeSet, VecDeque};

/// The checkpoints that are kept.
#[derive(Debug)]
pub(super) struct Checkpoints {
    keep: usize,
    next: u32,
    /// Oldest first.
    kept: VecDeque<Kept>,
}

/// One that can be gone back to.
#[derive(Debug, Clone, Copy)]
struct Kept {
    number: u32,
    version: Digest,
    /// Where it stands in the record.
    position: Position,
}

impl Checkpoints {
    /// None yet; up to `keep` will be kept.
    pub(super) fn new(keep: u32) -> Self {
        Self { keep: usize::try_from(keep).unwrap_or(usize::MAX).max(1), next: 1, kept: VecDeque::new() }
    }

    /// Those that the record has.
    pub(super) fn restore(&mut self, history: &History) {
        let kept = |checkpoint: &Checkpoint| {
            let Checkpoint { number, version, position, .. } = *checkpoint;
            Kept { number, version, position }
        };
        self.kept = history.kept().iter().map(kept).collect();
        self.next = history.next_checkpoint;
    }

    /// The version of the newest one.
    pub(super) fn newest(&self) -> Option<Digest> {
        self.kept.back().map(|kept| kept.version)
    }

    /// Those that can be gone back to, newest first.
    pub(super) fn newest_first(&self) -> Vec<(u32, Digest)> {
        self.kept.iter().rev().map(|kept| (kept.number, kept.version)).collect()
    }

    /// Where the oldest stands that is kept beside one more.
    fn oldest(&self) -> Option<Position> {
        let gone = (self.kept.len() + 1).saturating_sub(self.keep);
        self.kept.get(gone).map(|kept| kept.position)
    }

    fn add(&mut self, kept: Kept) {
        self.next = kept.number.saturating_add(1);
        self.kept.push_back(kept);
        while self.kept.len() > self.keep {
            self.kept.pop_front();
        }
    }
}

impl Dispatcher {
    /// Makes a checkpoint of the current version. By interval only where something was committed since the last one.
    pub(super) fn checkpoint(&mut self, reason: CheckpointReason) -> Result<(), Halt> {
        if self.goes_back() {
            // What is committed now is gone back behind in a moment, and the checkpoint that matters may not be pushed out by it.
            return Ok(());
        }
        let (number, newest, oldest) = (self.checkpoints.next, self.checkpoints.newest(), self.checkpoints.oldest());
        let shared = self.shared.clone();
        let made = shared.head.record(|version| {
            if reason == CheckpointReason::Interval && newest == Some(*version) {
                return Ok(None);
            }
            let entry = Entry::Checkpointed { number, version: *version, reason, oldest };
            shared.ledger.run(entry).map(|position| Some(Kept { number, version: *version, position }))
        })?;
        let Some(kept) = made else { return Ok(()) };
        tracing::debug!(run = %self.shared.run, number, version = %kept.version, ?reason, "a checkpoint is made");
        self.checkpoints.add(kept);
        Ok(())
    }

    /// What content may take that is not needed any more, together with all that is: half of what checkpoints may take, so that they can grow.
    pub(super) fn to_spare(&self) -> Bytes {
        Bytes(self.workflow.checkpoints.max_disk.0 / 2)
    }

    /// Collects what no version that matters has: the one that the run began with, the current one, those of kept checkpoints,
    /// and those that open attempts work on. Of the rest, the newest stays for replays as far as there is room to `spare`. Where all that is more than the
    /// checkpoints may take, older ones go.
    pub(super) async fn collect(&mut self, base: Digest, spare: Bytes) -> Result<(), Halt> {
        if self.goes_back() {
            return Ok(());
        }
        // No commit is under way while this is held, so everything in the store is named by a version or is rubbish.
        let shared = self.shared.clone();
        let turn = shared.head.turn().await;
        // A run that is resumed needs what the record on the disk says: what is needed no more has to be there first.
        shared.ledger.flush().await?;
        loop {
            let mut keep = BTreeSet::from([base, shared.head.version()]);
            keep.extend(shared.in_use.versions());
            keep.extend(self.book.waiting());
            keep.extend(shared.ledger.kept.trees());
            keep.extend(shared.captures.trees());
            keep.extend(self.checkpoints.kept.iter().map(|kept| kept.version));
            let used = match shared.ports.workspace.collect(keep.into_iter().collect(), spare).await {
                Ok(used) => used,
                Err(error) => {
                    // What is not collected takes room and does no harm.
                    tracing::warn!(run = %shared.run, %error, "old content could not be collected");
                    break;
                }
            };
            if used <= self.workflow.checkpoints.max_disk || self.checkpoints.kept.len() <= 1 {
                break;
            }
            let Some(oldest) = self.checkpoints.kept.pop_front() else { break };
            shared.ledger.run(Entry::CheckpointsDropped { through: oldest.number })?;
            // The record never promises a checkpoint whose content is gone.
            shared.ledger.flush().await?;
        }
        drop(turn);
        Ok(())
    }
}
