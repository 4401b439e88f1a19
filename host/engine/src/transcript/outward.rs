//! Calls that leave the host: what has to be durable before one is made, and what the record says of one that was begun.
//!
//! ```text
//!            the record holds next         then
//!   query    its answer                    the answer
//!            nothing                       flush what was answered before, then live
//!   effect   its intent, its outcome       the outcome
//!            its intent, nothing           live again with the same key, or nobody knows
//!            nothing                       append the intent, flush, then live
//! ```
//!
//! Whatever else the record holds there is a divergence.

use super::{AttemptFault, Fault, State, Transcript, is_over, pop, told};
use longhaul_core::action::Action;
use longhaul_core::attempt::RecordError;
use longhaul_core::effect::{Answered, Begun, Call, EffectClass, Intent, UnknownOutcome};
use longhaul_core::entry::Entry;

/// What is left to do before a call is live.
enum Step {
    /// Nothing: it was made before.
    Known(Box<Action>),
    /// To make everything durable that is in the record.
    Flush,
    /// Nothing.
    Ready,
}

/// What the script holds where an answer is wanted.
enum Next {
    Answer(Box<Action>),
    /// It is at its end.
    Nothing,
    Other,
}

impl Transcript {
    /// Begins a call of attempt `number` that leaves the host.
    pub(super) async fn begin(&self, number: u32, call: &Call) -> Result<Begun, RecordError> {
        let step = {
            let mut state = self.lock();
            is_over(&state, number, false)?;
            state.signs.count += 1;
            let step = match call.class() {
                EffectClass::Effect => self.effect(&mut state, number, call),
                _ => self.query(&mut state, number, call),
            };
            step.map_err(told)?
        };
        match step {
            Step::Known(action) => return Ok(Begun::Replayed(action)),
            Step::Flush => {
                let flushed = self.ledger.flush().await;
                let mut state = self.lock();
                if let Err(error) = flushed {
                    self.settle(&mut state);
                    return Err(told(error.into()));
                }
                // Its time may have run out meanwhile. An effect that has its intent is better done than not.
                let is_begun = state.under_way == Some(call.number);
                is_over(&state, number, is_begun)?;
                state.owes = false;
            }
            Step::Ready => {}
        }
        Ok(Begun::Live(call.key(self.ledger.id(), &self.attempt(number))))
    }

    fn query(&self, state: &mut State, number: u32, call: &Call) -> Result<Step, Fault> {
        match self.answer(state, number, call)? {
            Next::Answer(action) => Ok(Step::Known(action)),
            Next::Other => Err(self.diverged(state, number, &in_words(call))),
            Next::Nothing if state.owes => Ok(Step::Flush),
            Next::Nothing => Ok(Step::Ready),
        }
    }

    fn effect(&self, state: &mut State, number: u32, call: &Call) -> Result<Step, Fault> {
        let wanted = call.intent(self.ledger.id(), &self.attempt(number));
        let Some(intent) = self.intent(state, number, &wanted)? else {
            return self.intend(state, number, wanted);
        };
        match self.answer(state, number, call)? {
            Next::Answer(action) => Ok(Step::Known(action)),
            Next::Nothing if intent.idempotent => {
                let repeats = intent.repeats.saturating_add(1);
                tracing::warn!(task = %self.task, key = %intent.key, repeats, "an effect is done again with the same key");
                self.intend(state, number, Intent { repeats, ..intent })
            }
            // Where something else follows, the attempt was ended in the middle of it, which is no place to go on from.
            Next::Nothing | Next::Other => {
                self.abandon(state);
                let unknown = UnknownOutcome { attempt: self.attempt(number), intent };
                Err(Fault::Attempt(Box::new(AttemptFault::Unknown(unknown))))
            }
        }
    }

    fn intend(&self, state: &mut State, number: u32, intent: Intent) -> Result<Step, Fault> {
        let action = intent.number;
        self.note_in(state, number, Entry::Intended(intent))?;
        state.under_way = Some(action);
        Ok(Step::Flush)
    }

    /// Takes the answer to `call`, where the script holds that next.
    fn answer(&self, state: &mut State, number: u32, call: &Call) -> Result<Next, Fault> {
        self.pass_kept(state, number, call.number)?;
        let Some(record) = self.next(state)? else { return Ok(Next::Nothing) };
        match &record.entry {
            Entry::Action(action) if record.attempt == Some(number) && call.is_of(action) => {
                let action = Box::new(action.clone());
                pop(state);
                Ok(Next::Answer(action))
            }
            _ => Ok(Next::Other),
        }
    }

    /// Passes over what the script says is kept for an action: the action itself says so too, where it came to be recorded.
    fn pass_kept(&self, state: &mut State, number: u32, of: u64) -> Result<(), Fault> {
        while let Some(record) = self.next(state)? {
            match &record.entry {
                Entry::Kept { number: action, .. } if record.attempt == Some(number) && *action == of => pop(state),
                _ => break,
            }
        }
        Ok(())
    }

    /// Passes over what the script says was captured for attempt `number`, the actions that it took included; gives how many those were.
    pub(crate) fn pass_captured(&self, number: u32) -> Result<u64, Fault> {
        let mut state = self.lock();
        let mut actions = 0;
        while let Some(record) = self.next(&mut state)?.filter(|record| record.attempt == Some(number)) {
            let is_last = matches!(record.entry, Entry::Captured(_));
            actions += u64::from(matches!(record.entry, Entry::Action(_)));
            pop(&mut state);
            if is_last {
                break;
            }
        }
        Ok(actions)
    }

    /// Takes the intent that the script holds next, with all its repetitions; none where the try is live.
    fn intent(&self, state: &mut State, number: u32, wanted: &Intent) -> Result<Option<Intent>, Fault> {
        let mut taken: Option<Intent> = None;
        while let Some(record) = self.next(state)? {
            let repeats = taken.as_ref().map_or(0, |taken| taken.repeats.saturating_add(1));
            let same = |intent: &Intent| *intent == Intent { repeats, ..wanted.clone() };
            match &record.entry {
                Entry::Intended(intent) if record.attempt == Some(number) && same(intent) => {
                    taken = Some(intent.clone());
                    pop(state);
                    self.pass_kept(state, number, wanted.number)?;
                }
                _ if taken.is_some() => break,
                _ => return Err(self.diverged(state, number, &Entry::Intended(wanted.clone()))),
            }
        }
        Ok(taken)
    }
}

/// A query as a divergence shows it: as the action it would have been.
fn in_words(call: &Call) -> Entry {
    Entry::Action(call.clone().answered(Answered::ok("")))
}
