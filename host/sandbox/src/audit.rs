//! The audit of one attempt: every host call of its guest becomes an action, numbered without gaps, and is recorded.
//!
//! Recording fails closed. Once the record refused an event, every further host call of the attempt is refused, and the
//! attempt ends with that error whatever its guest says.

use longhaul_core::action::{Action, ActionResult, ContextFill, Exchange};
use longhaul_core::attempt::{AttemptEvent, LogLevel, RecordError, Recorder};
use longhaul_core::digest::Digest;
use longhaul_core::effect::{Answered, Call, CallKind, IdempotencyKey, perform};
use longhaul_core::grant::{Capability, Denial};
use longhaul_core::spend::Spent;
use longhaul_core::units::Bytes;
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most denials that are kept as evidence for an incident; all of them are recorded.
const KEPT_DENIALS: usize = 10;
/// Longest log line in bytes.
const MAX_LINE: usize = 8 << 10;
/// Bytes of text that an event may bring into the record, on average over all events of an attempt.
const TEXT_OF_AN_EVENT: u64 = 64;
/// Bytes of text that every attempt may bring into the record, however few events it may make.
const LEAST_TEXT: u64 = 1 << 20;

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuditError {
    /// The event was not recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The attempt made more events than it may.
    #[error("the attempt made more than {0} recorded host calls")]
    TooMany(u64),
    /// The attempt's events are too long.
    #[error("the paths and other texts of the attempt's recorded host calls have more than {0}")]
    TooLong(Bytes),
}

/// What is known about an action beside its number.
pub(crate) struct Deed {
    pub(crate) capability: Capability,
    pub(crate) operation: &'static str,
    pub(crate) resource: String,
    pub(crate) detail: String,
    pub(crate) calls: u64,
    pub(crate) bytes: u64,
    pub(crate) digest: Option<Digest>,
    /// The answer, where a replay could not know it otherwise.
    pub(crate) exchange: Option<Box<Exchange>>,
    pub(crate) result: ActionResult,
}

impl Deed {
    /// A single call that moved no bytes and went well.
    pub(crate) fn new(capability: Capability, operation: &'static str, resource: impl Into<String>) -> Self {
        Self {
            capability,
            operation,
            resource: resource.into(),
            detail: String::new(),
            calls: 1,
            bytes: 0,
            digest: None,
            exchange: None,
            result: ActionResult::Ok,
        }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    pub(crate) fn failed(mut self, error: impl Into<String>) -> Self {
        self.result = ActionResult::Failed { error: error.into() };
        self
    }

    pub(crate) fn denied(mut self, denial: &Denial) -> Self {
        self.result = ActionResult::from(denial);
        self
    }
}

/// What is known about a call that leaves the host, beside its number.
pub(crate) struct Outward {
    pub(crate) capability: Capability,
    pub(crate) operation: &'static str,
    pub(crate) resource: String,
    pub(crate) detail: String,
    /// The digest of all that is sent.
    pub(crate) request: Digest,
    pub(crate) kind: CallKind,
}

/// The audit of one attempt, shared by its host functions and open handles.
pub(crate) struct Audit {
    recorder: Arc<dyn Recorder>,
    max_events: u64,
    /// Bytes of all texts in actions and progress; log lines have a budget of their own.
    max_text: u64,
    log_budget: u64,
    /// Whether `state.failure` is set, for those who ask at every call.
    failed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    actions: u64,
    events: u64,
    text: u64,
    denials: u64,
    kept: Vec<Action>,
    log_bytes: u64,
    log_full: bool,
    failure: Option<AuditError>,
    /// How full the context was of the model that was asked last.
    context: Option<ContextFill>,
    /// What all calls took of the run's budget, in a replay as it was then.
    spent: Spent,
}

impl Audit {
    pub(crate) fn new(recorder: Arc<dyn Recorder>, max_events: u64, log_budget: Bytes) -> Arc<Self> {
        Arc::new(Self {
            max_events,
            max_text: max_events.saturating_mul(TEXT_OF_AN_EVENT).max(LEAST_TEXT),
            log_budget: log_budget.0,
            failed: AtomicBool::new(false),
            state: Mutex::new(State { actions: recorder.first(), ..State::default() }),
            recorder,
        })
    }

    /// Records an action.
    pub(crate) fn action(&self, deed: Deed) -> Result<(), AuditError> {
        let mut state = self.lock();
        let action = Action {
            number: state.actions,
            capability: deed.capability,
            operation: Cow::Borrowed(deed.operation),
            resource: bounded(deed.resource),
            detail: bounded(deed.detail),
            calls: deed.calls,
            bytes: Bytes(deed.bytes),
            digest: deed.digest,
            exchange: deed.exchange,
            result: match deed.result {
                ActionResult::Ok => ActionResult::Ok,
                ActionResult::Denied { reason, grant } => {
                    ActionResult::Denied { reason: bounded(reason), grant: bounded(grant) }
                }
                ActionResult::Failed { error } => ActionResult::Failed { error: bounded(error) },
            },
        };
        let denied = action.is_denied();
        let kept = (denied && state.kept.len() < KEPT_DENIALS).then(|| action.clone());
        self.event(&mut state, AttemptEvent::Action(action))?;
        // Counted only now: what the record did not take is not in its numbers either.
        state.actions += 1;
        state.denials += u64::from(denied);
        state.kept.extend(kept);
        Ok(())
    }

    /// Does a call that leaves the host, or takes its answer from the record: see [`longhaul_core::effect`]. The call is an
    /// action from its beginning on, also where it has no end.
    pub(crate) async fn perform<F: Future<Output = Answered>>(
        &self,
        outward: Outward,
        act: impl FnOnce(IdempotencyKey) -> F,
    ) -> Result<Action, AuditError> {
        let call = {
            let mut state = self.lock();
            self.admit(&mut state, (outward.resource.len() + outward.detail.len()) as u64)?;
            let number = state.actions;
            state.actions += 1;
            let Outward { capability, operation, resource, detail, request, kind } = outward;
            let (resource, detail) = (bounded(resource), bounded(detail));
            Call { number, capability, operation: Cow::Borrowed(operation), resource, detail, request, kind }
        };
        // Only the guest makes calls, one after the other, so nothing else is recorded meanwhile.
        let performed = perform(self.recorder.as_ref(), call, act).await.map_err(|error| self.fail(error))?;
        let mut state = self.lock();
        if let Some(exchange) = &performed.exchange {
            state.spent = state.spent + exchange.spent;
            state.context = exchange.context.or(state.context);
            self.admit_text(&mut state, (exchange.asked.len() + exchange.answer.len()) as u64)?;
        }
        Ok(performed)
    }

    /// The recorded action that has the answer to `operation`, while the attempt is replayed.
    pub(crate) fn replayed(&self, capability: Capability, operation: &str) -> Option<Action> {
        self.recorder.replayed().filter(|action| action.capability == capability && action.operation == operation)
    }

    /// Tells that the guest is at work, where what it does is recorded later.
    pub(crate) fn alive(&self) {
        self.recorder.alive();
    }

    /// Records a log line, within the attempt's budget for them.
    pub(crate) fn log(&self, level: LogLevel, message: &str) -> Result<(), AuditError> {
        let mut state = self.lock();
        if state.log_full {
            return state.failure.clone().map_or(Ok(()), Err);
        }
        let line = cut(message, MAX_LINE);
        // A line without text takes room in the record too.
        state.log_bytes += line.len() as u64 + 1;
        if state.log_bytes > self.log_budget {
            state.log_full = true;
            let message = format!("the attempt's log reached {} bytes; the rest of it is dropped", self.log_budget);
            return self.event(&mut state, AttemptEvent::Log { level: LogLevel::Warn, message });
        }
        self.event(&mut state, AttemptEvent::Log { level, message: line })
    }

    /// Takes note that the record failed elsewhere; gives the error that ends the attempt.
    pub(crate) fn fail(&self, error: RecordError) -> AuditError {
        self.failed_by(&mut self.lock(), error.into())
    }

    /// Records nothing more, and tells nobody: the attempt goes on in another instance.
    pub(crate) fn mute(&self) {
        self.fail(RecordError::Lost("the attempt is suspended".to_owned()));
    }

    /// Records how far the work is.
    pub(crate) fn progress(&self, done: u64, total: Option<u64>, note: &str) -> Result<(), AuditError> {
        let note = cut(note, 200);
        self.event(&mut self.lock(), AttemptEvent::Progress { done, total, note })
    }

    /// Actions so far, and how many of them were refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.actions, state.denials)
    }

    /// How full the context of the model is that was asked last, in a replay as it was then; none before the first.
    pub(crate) fn context(&self) -> Option<ContextFill> {
        self.lock().context
    }

    /// What all calls took of the run's budget so far.
    pub(crate) fn spent(&self) -> Spent {
        self.lock().spent
    }

    /// The first refusals, as evidence.
    pub(crate) fn denials(&self) -> Vec<Action> {
        self.lock().kept.clone()
    }

    /// Why the record is not complete, where it is not.
    pub(crate) fn failure(&self) -> Option<AuditError> {
        self.lock().failure.clone()
    }

    /// Whether there is such a failure; costs next to nothing.
    pub(crate) fn failure_flag(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn event(&self, state: &mut State, event: AttemptEvent) -> Result<(), AuditError> {
        self.admit(state, text_of(&event))?;
        self.recorder.record(event).map_err(|error| self.failed_by(state, error.into()))
    }

    /// Makes room for one more event with so many bytes of text.
    fn admit(&self, state: &mut State, text: u64) -> Result<(), AuditError> {
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        if state.events >= self.max_events {
            return Err(self.failed_by(state, AuditError::TooMany(self.max_events)));
        }
        self.admit_text(state, text)?;
        state.events += 1;
        Ok(())
    }

    fn admit_text(&self, state: &mut State, text: u64) -> Result<(), AuditError> {
        let text = state.text.saturating_add(text);
        if text > self.max_text {
            return Err(self.failed_by(state, AuditError::TooLong(Bytes(self.max_text))));
        }
        state.text = text;
        Ok(())
    }

    fn failed_by(&self, state: &mut State, error: AuditError) -> AuditError {
        state.failure = Some(error.clone());
        self.failed.store(true, Ordering::Release);
        error
    }

    /// A panic while the lock was held left nothing half-done that matters: the state is counters.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of the texts of an event that a guest can make long.
fn text_of(event: &AttemptEvent) -> u64 {
    let length = match event {
        AttemptEvent::Action(action) => {
            let result = match &action.result {
                ActionResult::Ok => 0,
                ActionResult::Denied { reason, grant } => reason.len() + grant.len(),
                ActionResult::Failed { error } => error.len(),
            };
            let answer = action.exchange.as_ref().map_or(0, |exchange| exchange.answer.len());
            action.resource.len() + action.detail.len() + answer + result
        }
        AttemptEvent::Progress { note, .. } => note.len(),
        AttemptEvent::Log { .. } | AttemptEvent::Kept { .. } => 0,
    };
    length as u64
}

/// A text of a record that a guest may have written: a path or a link's target has no length of its own.
fn bounded(text: String) -> String {
    if text.len() <= MAX_LINE { text } else { cut(&text, MAX_LINE) }
}

/// `text` up to `max` bytes, marked where it was cut.
fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    format!("{}… ({} bytes cut)", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::effect::{Begun, KeyScope};
    use longhaul_core::id::{AttemptId, RunId, TaskId};
    use longhaul_core::units::Tokens;

    struct Fragile(Mutex<Vec<AttemptEvent>>, usize);

    impl Recorder for Fragile {
        fn record(&self, event: AttemptEvent) -> Result<(), RecordError> {
            let mut events = self.0.lock().unwrap();
            if events.len() == self.1 {
                return Err(RecordError::Lost("the disk is full".to_owned()));
            }
            events.push(event);
            Ok(())
        }
    }

    fn deed() -> Deed {
        Deed::new(Capability::Fs, "open", "a")
    }

    #[test]
    fn after_a_refused_event_nothing_is_taken_any_more() {
        let recorder = Arc::new(Fragile(Mutex::default(), 2));
        let audit = Audit::new(recorder.clone(), 100, Bytes(100));
        assert!(audit.action(deed()).is_ok());
        assert!(audit.action(deed()).is_ok());
        assert!(matches!(audit.action(deed()), Err(AuditError::Record(_))));
        recorder.0.lock().unwrap().clear();
        assert!(matches!(audit.log(LogLevel::Info, "x"), Err(AuditError::Record(_))));
        assert!(matches!(audit.failure(), Some(AuditError::Record(_))));
        assert_eq!(audit.counts(), (2, 0));
    }

    /// A record that lets every call leave, and can be replayed.
    #[derive(Default)]
    struct Open {
        script: Mutex<Vec<Action>>,
        events: Mutex<Vec<AttemptEvent>>,
    }

    impl Recorder for Open {
        fn record(&self, event: AttemptEvent) -> Result<(), RecordError> {
            self.events.lock().unwrap().push(event);
            Ok(())
        }

        fn begin<'a>(
            &'a self,
            call: &'a Call,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<Begun, RecordError>> + Send + 'a>> {
            let recorded = self.script.lock().unwrap().pop().filter(|action| call.is_of(action));
            let attempt = AttemptId { task: TaskId::new("x").unwrap(), number: 1 };
            let key = call.key(&RunId::new("run-1").unwrap(), &attempt);
            let begun = recorded.map_or(Begun::Live(key), |action| Begun::Replayed(Box::new(action)));
            Box::pin(std::future::ready(Ok(begun)))
        }
    }

    fn outward() -> Outward {
        Outward {
            capability: Capability::Http,
            operation: "post",
            resource: "https://example.org".into(),
            detail: String::new(),
            request: Digest::of(b"order"),
            kind: CallKind::Effect { idempotent: false, scope: KeyScope::Action },
        }
    }

    #[tokio::test]
    async fn a_call_that_leaves_is_an_action_like_any_other_and_a_replay_makes_it_without_leaving() {
        let recorder = Arc::new(Open::default());
        let audit = Audit::new(recorder.clone(), 3, Bytes(100));
        audit.action(deed()).unwrap();
        let context = Some(ContextFill { used: Tokens(80), window: Tokens(100) });
        assert_eq!(audit.context(), None);
        let made = audit.perform(outward(), async |_| Answered { context, ..Answered::ok("done") }).await.unwrap();
        assert_eq!(audit.context(), context);
        audit.action(deed()).unwrap();
        let numbers: Vec<_> = recorder.events.lock().unwrap().iter().map(number).collect();
        assert_eq!((made.number, numbers, audit.counts()), (1, vec![0, 1, 2], (3, 0)));
        let more = audit.perform(outward(), async |_| panic!("it is one too many")).await;
        assert!(matches!(more, Err(AuditError::TooMany(3))));

        let recorder = Arc::new(Open { script: Mutex::new(vec![made.clone()]), ..Open::default() });
        let audit = Audit::new(recorder.clone(), 3, Bytes(100));
        audit.action(deed()).unwrap();
        assert_eq!(audit.perform(outward(), async |_| panic!("it was made before")).await, Ok(made));
        assert_eq!(audit.context(), context, "a replay knows it too");
        audit.action(deed()).unwrap();
        let numbers: Vec<_> = recorder.events.lock().unwrap().iter().map(number).collect();
        assert_eq!((numbers, audit.counts()), (vec![0, 2], (3, 0)));
    }

    #[tokio::test]
    async fn a_call_that_is_not_taken_is_not_made_and_ends_the_attempt() {
        let audit = Audit::new(Arc::new(Fragile(Mutex::default(), usize::MAX)), 3, Bytes(100));
        let refused = audit.perform(outward(), async |_| panic!("it leaves")).await;
        assert!(matches!(&refused, Err(AuditError::Record(RecordError::Lost(_)))), "{refused:?}");
        assert!(audit.failure_flag());
        assert_eq!(audit.action(deed()), Err(refused.unwrap_err()));
    }

    fn number(event: &AttemptEvent) -> u64 {
        match event {
            AttemptEvent::Action(action) => action.number,
            _ => u64::MAX,
        }
    }

    #[test]
    fn log_lines_and_events_are_bounded() {
        let recorder = Arc::new(Fragile(Mutex::default(), usize::MAX));
        let audit = Audit::new(recorder.clone(), 5, Bytes(20 << 10));
        for _ in 0..10 {
            audit.log(LogLevel::Info, &"ä".repeat(20_000)).unwrap();
        }
        let events = recorder.0.lock().unwrap().clone();
        assert_eq!(events.len(), 3, "two lines and the word that the rest is dropped");
        assert!(
            matches!(&events[0], AttemptEvent::Log { message, .. } if message.ends_with("(31808 bytes cut)")),
            "{events:?}"
        );
        drop(events);
        for _ in 0..2 {
            audit.action(deed()).unwrap();
        }
        assert!(matches!(audit.action(deed()), Err(AuditError::TooMany(5))));
    }

    #[test]
    fn few_events_with_long_texts_are_bounded_too() {
        let recorder = Arc::new(Fragile(Mutex::default(), usize::MAX));
        let audit = Audit::new(recorder.clone(), 100_000, Bytes(100));
        let long = || Deed::new(Capability::Fs, "open", "x".repeat(20_000)).detail("y".repeat(20_000));
        let error = (0..100_000).find_map(|_| audit.action(long()).err()).unwrap();
        assert!(matches!(error, AuditError::TooLong(Bytes(6_400_000))), "{error}");
        assert!((100..400).contains(&recorder.0.lock().unwrap().len()));
        // What ordinary agents record is far below: paths of 64 bytes in each of the events that they may make.
        let audit = Audit::new(Arc::new(Fragile(Mutex::default(), usize::MAX)), 100_000, Bytes(100));
        assert!((0..100_000).all(|_| audit.action(Deed::new(Capability::Fs, "open", "x".repeat(60))).is_ok()));
    }
}
