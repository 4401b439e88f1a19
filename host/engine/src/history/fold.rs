//! Reading a record from beginning to end into a [`History`].
//!
//! A run that goes back stands as it stood at a checkpoint. So the history as it was at each checkpoint that the run goes back to later is kept
//! while reading, as long as that checkpoint is. Which ones those are is found out by reading the record once before, and only
//! where it has a way back in it.

use super::{History, HistoryError};
use crate::history::error::misfit;
use crate::ports::{Query, Records};
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::id::RunId;
use std::collections::{BTreeMap, BTreeSet};

/// What was read.
pub(super) struct Fold {
    pub(super) history: History,
    /// How the run stood at checkpoints that are kept.
    at: BTreeMap<u32, History>,
}

impl Fold {
    /// Reads the record of `run`, up to the position `last` where one is given.
    pub(super) fn of(records: &dyn Records, run: &RunId, last: Option<Position>) -> Result<Self, HistoryError> {
        if let Some(fold) = Self::along(records, run, last, None, |_, _| {})? {
            return Ok(fold);
        }
        let targets = targets(records, run)?;
        Self::along(records, run, last, Some(&targets), |_, _| {})?.ok_or(HistoryError::NoStart)
    }

    /// Reads the record, and keeps how the run stood at the checkpoints `kept`. Without them gives none where the run goes back.
    pub(super) fn along(
        records: &dyn Records,
        run: &RunId,
        last: Option<Position>,
        kept: Option<&BTreeSet<u32>>,
        mut seen: impl FnMut(&History, &Record),
    ) -> Result<Option<Self>, HistoryError> {
        let mut query = Query::default();
        let mut fold: Option<Self> = None;
        loop {
            let page = records.read(run, &query)?;
            let Some((newest, _)) = page.last() else { break };
            query.after = Some(*newest);
            let is_over = last.is_some_and(|last| *newest >= last);
            for (position, record) in page.into_iter().take_while(|(at, _)| last.is_none_or(|last| *at <= last)) {
                let Some(fold) = &mut fold else {
                    let history = History::begin(record).ok_or(HistoryError::NoStart)?;
                    fold = Some(Self { history, at: BTreeMap::new() });
                    continue;
                };
                seen(&fold.history, &record);
                match (&record.entry, kept) {
                    (Entry::RolledBack { .. }, None) => return Ok(None),
                    (Entry::RolledBack { number, .. }, Some(_)) => fold.go_back(*number, position, record)?,
                    (Entry::Checkpointed { number, .. }, Some(kept)) if kept.contains(number) => {
                        let number = *number;
                        fold.history.add(position, record)?;
                        fold.keep(number);
                    }
                    _ => fold.history.add(position, record)?,
                }
            }
            if is_over {
                break;
            }
        }
        let mut fold = fold.ok_or(HistoryError::NoStart)?;
        if last.is_none() {
            // The record may go on behind what was read, with actions that a crash cut short.
            fold.history.reach(records.newest(run)?);
        }
        Ok(Some(fold))
    }

    /// How the run stood at a checkpoint that was kept while reading.
    pub(super) fn stood_at(mut self, number: u32) -> Option<History> {
        self.at.remove(&number)
    }

    fn keep(&mut self, number: u32) {
        self.at.insert(number, self.history.clone());
        // Nobody goes back to what is not kept, and there are never more of them than checkpoints are.
        let kept: BTreeSet<u32> = self.history.kept().iter().map(|kept| kept.number).collect();
        self.at.retain(|number, _| kept.contains(number));
    }

    fn go_back(&mut self, number: u32, position: Position, record: Record) -> Result<(), HistoryError> {
        let Record { at, task, entry, .. } = record;
        let Some(then) = self.at.get(&number) else {
            return Err(misfit(position, format!("it names checkpoint {number}, which is not there")));
        };
        let Entry::RolledBack { validate, .. } = entry else { return Ok(()) };
        self.history.reach(at);
        self.history.go_back(then.clone(), task, validate);
        Ok(())
    }
}

/// The checkpoints that a run goes back to.
pub(super) fn targets(records: &dyn Records, run: &RunId) -> Result<BTreeSet<u32>, HistoryError> {
    let mut query = Query::default();
    let mut targets = BTreeSet::new();
    loop {
        let page = records.read(run, &query)?;
        let Some((newest, _)) = page.last() else { break };
        query.after = Some(*newest);
        targets.extend(page.iter().filter_map(|(_, record)| match &record.entry {
            Entry::RolledBack { number, .. } => Some(*number),
            _ => None,
        }));
    }
    Ok(targets)
}
