//! Calls the hooks of a run: each is told of the entries that it wants to know of, in their order, beside the run and without a say in it.
//!
//! ```text
//!   ledger ── something arrived ──► caller of a hook ──► reads the record behind its last call, flushes, calls, notes `hook-called`
//! ```
//!
//! There is no queue: what a hook has been told is in the record, and so is what it has not. A run that goes on after a crash tells what
//! was not told; a call whose outcome was not recorded is made again with the same key. How slow a hook is costs no memory.

use crate::ports::{JournalError, Query};
use crate::shared::{Shared, Stop};
use longhaul_core::action::ActionResult;
use longhaul_core::effect::IdempotencyKey;
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::grant::{Grant, Party};
use longhaul_core::hook::{HookCall, HookEvent, HookSpec};
use longhaul_core::id::Name;
use longhaul_core::reach::ServiceError;
use longhaul_core::workflow::model::Workflow;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The wait before the second try of a call; each further one is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two tries, also where the one who is called asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long hooks are waited for when the run has come to its end. What is not told by then is told when the run goes on, if it does.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much longer than its limit a call is waited for.
const GRACE: Duration = Duration::from_secs(10);
/// The most characters of what came of a call that are recorded.
const KEPT: usize = 400;

/// Tells callers that something arrived in the record which some hook wants to know of.
pub(crate) struct Tap {
    wanted: u32,
    arrived: watch::Sender<u64>,
}

impl Tap {
    /// For these hooks.
    pub(crate) fn new<'a>(hooks: impl IntoIterator<Item = &'a HookSpec>) -> Self {
        let wanted = hooks.into_iter().flat_map(|hook| &hook.on).fold(0, |wanted, event| wanted | bit(*event));
        Self { wanted, arrived: watch::Sender::new(0) }
    }

    /// An entry was appended.
    pub(crate) fn seen(&self, entry: &Entry) {
        if self.wanted != 0 && HookEvent::of(entry).is_some_and(|event| self.wanted & bit(event) != 0) {
            self.arrived.send_modify(|count| *count += 1);
        }
    }
}

fn bit(event: HookEvent) -> u32 {
    1 << event as u32
}

/// Where in the record each hook has come to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// The last entry that each was told of.
    pub(crate) of: BTreeMap<Name, Position>,
    /// Nothing up to here is this run's to tell: it was copied from another one.
    pub(crate) copied: Option<Position>,
}

/// The callers of all hooks of a run. Dropping them ends them where they are.
pub(crate) struct Callers {
    shared: Arc<Shared>,
    callers: JoinSet<Result<(), JournalError>>,
    /// The run has come to its end: what is in the record now is all that there is.
    is_over: watch::Sender<bool>,
    /// Nothing more is to be called.
    enough: Arc<Stop>,
}

impl Callers {
    /// Begins to call the hooks of `workflow`.
    pub(crate) fn begin(shared: &Arc<Shared>, workflow: &Workflow, told: &Told) -> Self {
        let (is_over, enough) = (watch::Sender::new(false), Arc::new(Stop::new()));
        let mut callers = JoinSet::new();
        let layers = [
            shared.policy.clone().map(|policy| (Party::Policy, policy)),
            Some((Party::Task, workflow.permissions.clone())),
        ];
        // The patterns were checked with the workflow and with the policy.
        let grant = Grant::new(layers.into_iter().flatten());
        for (name, spec) in workflow.hooks.iter().filter(|_| grant.is_ok()) {
            let Ok(grant) = grant.clone() else { continue };
            let caller = Caller {
                shared: Arc::clone(shared),
                name: name.clone(),
                spec: spec.clone(),
                grant,
                after: told.of.get(name).copied().max(told.copied),
                enough: Arc::clone(&enough),
            };
            callers.spawn(caller.call_all(is_over.subscribe()));
        }
        Self { shared: Arc::clone(shared), callers, is_over, enough }
    }

    /// The run has come to its end: tells what is left to tell, for a while.
    ///
    /// # Errors
    /// [`JournalError`] where it cannot be recorded.
    pub(crate) async fn finish(self) -> Result<(), JournalError> {
        let Self { shared, mut callers, is_over, enough } = self;
        is_over.send_replace(true);
        tokio::select! {
            ended = all(&mut callers) => return ended,
            () = shared.ports.time.sleep(PATIENCE) => {}
        }
        tracing::warn!(run = %shared.run, "hooks did not come to their end, and are told the rest when the run goes on");
        enough.give();
        all(&mut callers).await
    }

    /// The run goes on in another life, which tells the rest.
    ///
    /// # Errors
    /// [`JournalError`] where it cannot be recorded.
    pub(crate) async fn leave(mut self) -> Result<(), JournalError> {
        self.enough.give();
        all(&mut self.callers).await
    }
}

/// The end of all callers, or the first that lost the record.
async fn all(callers: &mut JoinSet<Result<(), JournalError>>) -> Result<(), JournalError> {
    while let Some(ended) = callers.join_next().await {
        // A caller that panicked has told what it has told; the run is none of its business.
        ended.unwrap_or(Ok(()))?;
    }
    Ok(())
}

/// Calls one hook.
struct Caller {
    shared: Arc<Shared>,
    name: Name,
    spec: HookSpec,
    grant: Grant,
    after: Option<Position>,
    enough: Arc<Stop>,
}

impl Caller {
    async fn call_all(mut self, mut is_over: watch::Receiver<bool>) -> Result<(), JournalError> {
        let mut arrived = self.shared.ledger.tap().arrived.subscribe();
        loop {
            let was_over = *is_over.borrow_and_update();
            arrived.borrow_and_update();
            if !self.call_new().await? || was_over {
                return Ok(());
            }
            let enough = Arc::clone(&self.enough);
            let more = async {
                tokio::select! {
                    arrived = arrived.changed() => drop(arrived),
                    over = is_over.changed() => drop(over),
                }
            };
            if enough.unless(more).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Tells what the record has behind the last call. Tells whether there may be more later.
    async fn call_new(&mut self) -> Result<bool, JournalError> {
        let ledger = Arc::clone(&self.shared.ledger);
        // So that what has arrived is seen.
        ledger.flush().await?;
        let mut query = Query { after: self.after, task: None, details: false };
        loop {
            let page = ledger.events(&query)?;
            let Some((newest, _)) = page.last() else { return Ok(true) };
            query.after = Some(*newest);
            for (position, record) in page {
                let Some(event) = HookEvent::of(&record.entry).filter(|event| self.spec.on.contains(event)) else {
                    continue;
                };
                // What is told has happened, whatever happens now; also what was appended since and read along.
                ledger.flush().await?;
                if !self.tell(position, event, &record).await? {
                    return Ok(false);
                }
                self.after = Some(position);
            }
            self.after = query.after;
        }
    }

    /// Tells of one entry. Tells whether it came to an end.
    async fn tell(&self, about: Position, event: HookEvent, record: &Record) -> Result<bool, JournalError> {
        let shared = &self.shared;
        let version = shared.in_use.hold(shared.head.version());
        let key = IdempotencyKey::of_hook(&shared.run, &self.name, about);
        let body = json!({
            "event": event, "hook": self.name, "run": shared.run, "workflow": shared.workflow, "key": key, "position": about,
            "entry": record,
        });
        let call = HookCall {
            hook: self.name.clone(),
            target: self.spec.target.clone(),
            grant: self.grant.clone(),
            body: body.to_string(),
            key,
            timeout: self.spec.timeout,
            version: version.version(),
        };
        let mut tries = 0;
        let came = loop {
            tries += 1;
            let once = async {
                tokio::select! {
                    biased;
                    came = shared.ports.hooks.call(&call) => came,
                    // Whoever makes the call keeps the limit, and ends it in order; this is for the case that it hangs.
                    () = shared.ports.time.sleep(self.spec.timeout.saturating_add(GRACE)) => Err(ServiceError::TimedOut(self.spec.timeout)),
                }
            };
            let Some(came) = self.enough.unless(once).await else { return Ok(false) };
            let Some(wait) = came.as_ref().err().filter(|_| tries < self.spec.attempts).and_then(|e| again(e, tries))
            else {
                break came;
            };
            if self.enough.unless(shared.ports.time.sleep(wait)).await.is_none() {
                return Ok(false);
            }
        };
        let (answer, result) = match came {
            Ok(answer) => (answer.chars().take(KEPT).collect(), ActionResult::Ok),
            Err(error) => {
                let error: String = error.to_string().chars().take(KEPT).collect();
                tracing::warn!(run = %shared.run, hook = %self.name, %event, error, "a hook could not be told");
                (String::new(), ActionResult::Failed { error })
            }
        };
        shared.ledger.run(Entry::HookCalled { hook: self.name.clone(), event, about, tries, answer, result })?;
        Ok(true)
    }
}

/// How long to wait before a call is tried again after this error; none where that would change nothing.
fn again(error: &ServiceError, tries: u32) -> Option<Duration> {
    let usual = FIRST_WAIT.saturating_mul(1 << (tries - 1).min(16));
    match error {
        ServiceError::Unavailable(_) | ServiceError::Invalid(_) => None,
        ServiceError::RateLimited(Some(wait)) => Some((*wait).max(usual).min(LONGEST_WAIT)),
        _ => Some(usual.min(LONGEST_WAIT)),
    }
}
