//! What a try does, beside what the record holds of it already.
//!
//! After a crash a try is done again from its beginning: the same component, the same stage, the same input. Its
//! [`Transcript`] first holds what was recorded before ([`Script`]). Each entry that the new try comes to is compared with the
//! next one there instead of being appended, and the answers that came from outside are taken from it. Where the script ends the try goes
//! live, and nobody above notices. An entry that differs ends the replay: nothing is built on a guess.
//!
//! The script is all that the record has of the task behind the beginning of the try: what the try itself adds comes only when
//! the script is at its end. It is read page by page and never again, so a replay costs what there is to replay and holds little of it.

mod fault;
mod outward;
mod same;

pub(crate) use fault::{AttemptFault, Fault, told};

use crate::ledger::Ledger;
use crate::ports::{BoxFuture, JournalError};
use longhaul_core::action::Action;
use longhaul_core::attempt::{AttemptEvent, Divergence, RecordError, Recorder};
use longhaul_core::effect::{Begun, Call, EffectClass, Remains};
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::{AttemptId, TaskId};
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::units::Timestamp;
use same::is_same;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How much of an entry a divergence shows.
const SHOWN: usize = 400;

/// Where a try begins in the record: behind this entry of its task, with this attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) after: Position,
    pub(crate) number: u32,
}

/// An entry that is in the record now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Noted {
    /// When it came there first.
    pub(crate) at: Timestamp,
    /// Where, if it came there just now.
    pub(crate) position: Option<Position>,
}

impl Noted {
    /// Whether it came there just now.
    pub(crate) fn is_new(&self) -> bool {
        self.position.is_some()
    }
}

/// What is recorded of one try, and what of it was recorded before.
pub(crate) struct Transcript {
    ledger: Arc<Ledger>,
    task: TaskId,
    state: Mutex<State>,
    /// Told when the last effect of an attempt that is closing has its outcome.
    settled: Notify,
}

struct State {
    script: Option<Reading>,
    /// The attempt whose guest may act.
    open: Option<u32>,
    /// The effect that is being done, by its number.
    under_way: Option<u64>,
    /// Whether the attempt is over as soon as that one has its outcome.
    is_closing: bool,
    /// Whether something from outside was answered that need not be durable yet.
    owes: bool,
    /// What the attempt did outside and published, replayed or not.
    remains: Remains,
    /// How many actions of the guest that may act concern more than its files and clocks.
    outside: u64,
    signs: Signs,
}

/// The signs of life of the guest that may act.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    /// How many there were.
    pub(crate) count: u64,
    /// How many of them are entries of the record.
    pub(crate) recorded: u64,
    /// When the last of those came there first.
    pub(crate) last: Option<Timestamp>,
}

struct Reading {
    after: Position,
    page: std::vec::IntoIter<(Position, Record)>,
}

impl Transcript {
    /// The transcript of a try at `task`, which begins with `script` where there is one.
    pub(crate) fn new(ledger: Arc<Ledger>, task: TaskId, script: Option<Script>) -> Arc<Self> {
        let script = script.map(|script| Reading { after: script.after, page: Vec::new().into_iter() });
        let state = State {
            script,
            open: None,
            under_way: None,
            is_closing: false,
            owes: false,
            remains: Remains::default(),
            outside: 0,
            signs: Signs::default(),
        };
        Arc::new(Self { ledger, task, state: Mutex::new(state), settled: Notify::new() })
    }

    /// Notes an entry of attempt `number`.
    pub(crate) fn note(&self, number: u32, entry: Entry) -> Result<Noted, Fault> {
        self.note_in(&mut self.lock(), number, entry)
    }

    /// What `wanted` picks of the script's next entry, where that is one of attempt `number`; it stays there.
    pub(crate) fn look<T>(&self, number: u32, wanted: impl FnOnce(&Entry) -> Option<T>) -> Result<Option<T>, Fault> {
        let mut state = self.lock();
        let next = self.next(&mut state)?.filter(|next| next.attempt == Some(number));
        Ok(next.and_then(|next| wanted(&next.entry)))
    }

    /// Takes the next entry of attempt `number` out of the script where `wanted` picks it; none where it does not, or where
    /// the try is live. Not for entries that the try itself comes to: those are noted.
    pub(crate) fn take<T>(&self, number: u32, wanted: impl FnOnce(&Entry) -> Option<T>) -> Result<Option<T>, Fault> {
        let taken = self.look(number, wanted)?;
        if taken.is_some() {
            pop(&mut self.lock());
        }
        Ok(taken)
    }

    /// Whether the attempt did anything outside.
    pub(crate) fn has_effects(&self) -> bool {
        !self.lock().remains.effects.listed.is_empty()
    }

    /// `problem`, with what the attempt did outside and published as part of its evidence.
    pub(crate) fn with_remains(&self, problem: Problem) -> Problem {
        self.lock().remains.listed_in(problem)
    }

    /// From now on the guest of attempt `number` may act, or the host in its place. Its first action has the number `first`.
    pub(crate) fn open(self: &Arc<Self>, number: u32, first: u64) -> Arc<dyn Recorder> {
        let mut state = self.lock();
        (state.open, state.under_way, state.is_closing) = (Some(number), None, false);
        (state.signs, state.outside) = (Signs::default(), 0);
        drop(state);
        Arc::new(AttemptRecorder { transcript: Arc::clone(self), number, first })
    }

    /// From now on no guest acts: what comes late, from an instance that is being dropped, is not recorded any more.
    pub(crate) fn close(&self) {
        self.lock().open = None;
    }

    /// The signs of life so far.
    pub(crate) fn signs(&self) -> Signs {
        self.lock().signs
    }

    /// How many actions so far concern more than the attempt's files and clocks.
    pub(crate) fn outside(&self) -> u64 {
        self.lock().outside
    }

    /// Whether the try has come to where its record ends.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.next(&mut self.lock()), Ok(None))
    }

    /// Whether the guest may be ended because it takes too long: nothing of what it did is still to be done again, or the record says
    /// that it was ended so.
    pub(crate) fn may_time_out(&self) -> bool {
        let timed_out = |record: &Record| match &record.entry {
            Entry::AttemptEnded { result: Err(problem), .. } => problem.class == IncidentClass::Timeout,
            _ => false,
        };
        self.next(&mut self.lock()).is_ok_and(|next| next.is_none_or(timed_out))
    }

    /// From now on no guest begins anything; an effect that is under way may still come to its outcome. Comes back when
    /// none is.
    pub(crate) async fn wind_up(&self) {
        let settled = self.settled.notified();
        {
            let mut state = self.lock();
            state.is_closing = true;
            // Where the record is lost, no outcome can come any more.
            if state.open.is_none() || state.under_way.is_none() || self.ledger.check().is_err() {
                state.open = None;
                return;
            }
        }
        settled.await;
    }

    /// Nothing is under way outside any more.
    fn settle(&self, state: &mut State) {
        state.under_way = None;
        if state.is_closing {
            state.open = None;
            self.settled.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempt(&self, number: u32) -> AttemptId {
        AttemptId { task: self.task.clone(), number }
    }

    fn note_in(&self, state: &mut State, number: u32, entry: Entry) -> Result<Noted, Fault> {
        let Some(recorded) = self.next(state)? else {
            state.remains.note(number, &entry);
            state.outside += u64::from(is_outside(&entry));
            state.owes |= brings_in(&entry);
            let (position, at) = self.ledger.attempt(&self.attempt(number), entry)?;
            return Ok(Noted { at, position: Some(position) });
        };
        if recorded.attempt == Some(number) && is_same(&recorded.entry, &entry) {
            let at = recorded.at;
            pop(state);
            return Ok(Noted { at, position: None });
        }
        Err(self.diverged(state, number, &entry))
    }

    /// The try does something else than the record holds next: nothing of the script is used from now on.
    fn diverged(&self, state: &mut State, number: u32, found: &Entry) -> Fault {
        let expected = match self.next(state) {
            Ok(recorded) => recorded.map_or_else(String::new, |recorded| shown(&recorded.entry)),
            Err(fault) => return fault,
        };
        self.abandon(state);
        let divergence = Divergence { attempt: self.attempt(number), expected, found: shown(found) };
        Fault::Attempt(Box::new(AttemptFault::Diverged(divergence)))
    }

    /// Leaves the rest of the script unused, but for what it says was done outside.
    fn abandon(&self, state: &mut State) {
        // What cannot be read any more is not told either; the fault that led here is.
        while let Ok(Some(_)) = self.next(state) {
            pop(state);
        }
        state.script = None;
    }

    /// The next entry of the script; none where the try is live.
    fn next<'a>(&self, state: &'a mut State) -> Result<Option<&'a Record>, Fault> {
        loop {
            let Some(reading) = &mut state.script else { return Ok(None) };
            while reading.page.as_slice().first().is_some_and(|(_, record)| !is_of_try(record)) {
                reading.page.next();
            }
            if !reading.page.as_slice().is_empty() {
                break;
            }
            let page = self.ledger.read(&self.task, reading.after)?;
            let Some((newest, _)) = page.last() else {
                state.script = None;
                return Ok(None);
            };
            reading.after = *newest;
            reading.page = page.into_iter();
        }
        Ok(state.script.as_ref().and_then(|reading| reading.page.as_slice().first()).map(|(_, record)| record))
    }
}

/// What an attempt that is suspended did outside and published, of which its script says all.
pub(crate) fn remains(ledger: &Ledger, task: &TaskId, script: Script) -> Result<Remains, JournalError> {
    let (mut remains, mut after) = (Remains::default(), script.after);
    loop {
        let page = ledger.read(task, after)?;
        let Some((newest, _)) = page.last() else { return Ok(remains) };
        after = *newest;
        for (_, record) in &page {
            record.attempt.iter().for_each(|number| remains.note(*number, &record.entry));
        }
    }
}

fn pop(state: &mut State) {
    let Some((_, record)) = state.script.as_mut().and_then(|reading| reading.page.next()) else { return };
    state.outside += u64::from(is_outside(&record.entry));
    if let Some(number) = record.attempt {
        state.remains.note(number, &record.entry);
    }
}

/// Whether an entry brings something in from outside the attempt.
fn brings_in(entry: &Entry) -> bool {
    matches!(entry, Entry::Captured(_))
        || matches!(entry, Entry::Action(action) if EffectClass::of(action.capability, &action.operation) > EffectClass::Local)
}

/// Whether an entry is an action that concerns more than the attempt's files and clocks.
fn is_outside(entry: &Entry) -> bool {
    matches!(entry, Entry::Action(action) if !matches!(action.capability, Capability::Fs | Capability::Clock | Capability::Context))
}

/// Fails where attempt `number` may record nothing more, except for the outcome of what it has begun.
fn is_over(state: &State, number: u32, is_outcome: bool) -> Result<(), RecordError> {
    match state.open == Some(number) && (is_outcome || !state.is_closing) {
        true => Ok(()),
        false => Err(RecordError::Lost("the attempt is over".to_owned())),
    }
}

/// Whether a try comes to this entry again when it is done again.
fn is_of_try(record: &Record) -> bool {
    record.attempt.is_some() && !matches!(record.entry, Entry::AttemptSuspended { .. })
}

fn shown(entry: &Entry) -> String {
    let text = serde_json::to_string(entry).unwrap_or_default();
    text.chars().take(SHOWN).collect()
}

/// Records what the guest of one attempt does.
struct AttemptRecorder {
    transcript: Arc<Transcript>,
    number: u32,
    /// The number of its first action.
    first: u64,
}

impl Recorder for AttemptRecorder {
    fn record(&self, event: AttemptEvent) -> Result<(), RecordError> {
        let entry = match event {
            AttemptEvent::Action(action) => Entry::Action(action),
            AttemptEvent::Log { level, message } => Entry::Log { level, message },
            AttemptEvent::Progress { done, total, note } => Entry::Progress { done, total, note },
            AttemptEvent::Kept { number, tree } => Entry::Kept { number, tree },
        };
        let mut state = self.transcript.lock();
        let is_outcome = matches!(&entry, Entry::Action(action) if Some(action.number) == state.under_way);
        let is_kept = matches!(&entry, Entry::Kept { number, .. } if Some(*number) == state.under_way);
        is_over(&state, self.number, is_outcome || is_kept)?;
        if let Entry::Kept { tree, .. } = &entry {
            self.transcript.ledger.kept.keep(&self.transcript.task, *tree);
        }
        let noted = self.transcript.note_in(&mut state, self.number, entry).map_err(told);
        if is_outcome {
            self.transcript.settle(&mut state);
        }
        let noted = noted?;
        state.signs.count += 1;
        state.signs.recorded += 1;
        state.signs.last = Some(noted.at);
        Ok(())
    }

    fn first(&self) -> u64 {
        self.first
    }

    fn replayed(&self) -> Option<Action> {
        let mut state = self.transcript.lock();
        // What cannot be read here cannot be read when the answer is recorded either, and is told then.
        match self.transcript.next(&mut state) {
            Ok(Some(Record { attempt, entry: Entry::Action(action), .. })) if *attempt == Some(self.number) => {
                Some(action.clone())
            }
            _ => None,
        }
    }

    fn alive(&self) {
        self.transcript.lock().signs.count += 1;
    }

    fn begin<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Begun, RecordError>> {
        Box::pin(self.transcript.begin(self.number, call))
    }
}
