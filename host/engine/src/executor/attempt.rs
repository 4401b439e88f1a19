//! One try at a task: an instance, its renewals, its acceptance, its commit.

mod judge;

use super::capture::{Capturing, Has};
use super::commit::commit;
use super::desk::Desk;
use super::instance::{Access, Instance, Left};
use super::middle::Middle;
use super::work::{Ended, Ending, Work, judged};
use crate::ports::JournalError;
use crate::shared::{Shared, Stop};
use crate::transcript::{Fault, Noted, Script, Transcript};
use judge::Verdict;
use longhaul_core::attempt::{Limits, Outcome, Usage};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Position};
use longhaul_core::id::AttemptId;
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::reach::Reach;
use std::sync::Arc;

/// How often one try may go on in a fresh instance. At one renewal every two hours that is longer than any run; an agent
/// that gets here does nothing but renew itself.
const MAX_RENEWALS: u32 = 10_000;

/// Runs a try to its end. Where `stop` is given it is interrupted.
///
/// # Errors
/// [`JournalError`] where the record is lost: then nothing more was committed.
#[tracing::instrument(name = "task", skip_all, fields(run = %shared.run, task = %work.task, attempt = work.number))]
pub(crate) async fn execute(shared: &Arc<Shared>, work: Work, stop: Arc<Stop>) -> Result<Ended, JournalError> {
    let script = Script { after: work.began, number: work.number };
    if work.is_again {
        // What it did in this process may be on its way to the disk still.
        shared.ledger.flush().await?;
    }
    let transcript = Transcript::new(shared.ledger.clone(), work.task.clone(), work.is_again.then_some(script));
    let mut try_ = Try {
        shared,
        stop,
        transcript,
        renewed: false,
        used: Ended {
            ending: Ending::Interrupted,
            next: work.number,
            attempts: 0,
            usage: Usage::default(),
            state: work.state.clone(),
            script,
            base: None,
            changes: Vec::new(),
            key: work.key.filter(|_| !work.is_again),
        },
        work,
    };
    let ending = match try_.in_its_place().await {
        // Also where the work was refused or could not be committed after its attempt had ended well.
        Ok(Ending::Failed(attempt, problem)) => Ending::Failed(attempt, try_.transcript.with_remains(problem)),
        Ok(Ending::Suspended(wait)) => {
            // Should its wait come to nothing, what it did outside is told from the record; and people are told of what they are asked.
            if try_.transcript.has_effects() || wait.question.is_some() {
                shared.ledger.flush().await?;
            }
            Ending::Suspended(wait)
        }
        Ok(ending) => ending,
        Err(Fault::Lost(error)) => return Err(error),
        Err(Fault::Attempt(fault)) => try_.broken_off((*fault).into())?,
    };
    Ok(Ended { ending, ..try_.used })
}

struct Try<'a> {
    shared: &'a Arc<Shared>,
    /// Ends this try alone.
    stop: Arc<Stop>,
    transcript: Arc<Transcript>,
    /// Whether the try goes on in another instance than its first.
    renewed: bool,
    work: Work,
    used: Ended,
}

impl Try<'_> {
    /// Runs it when it has one of the places that the host has for all its runs.
    async fn in_its_place(&mut self) -> Result<Ending, Fault> {
        let shared = self.shared;
        let _place = match &shared.seat {
            None => None,
            Some(seat) => match shared.stop.unless(self.stop.unless(seat.take())).await.flatten() {
                None => return Ok(Ending::Interrupted),
                place => place,
            },
        };
        self.run().await
    }

    async fn run(&mut self) -> Result<Ending, Fault> {
        for _ in 0..=MAX_RENEWALS {
            match self.instance().await? {
                Step::Renewed => self.renewed = true,
                Step::Ended(ending) => return Ok(ending),
            }
        }
        let attempt = AttemptId { task: self.work.task.clone(), number: self.used.next.saturating_sub(1) };
        let message = format!("the agent `{}` went on in a fresh instance {MAX_RENEWALS} times", self.work.agent);
        Ok(Ending::Failed(attempt, Problem::new(IncidentClass::Exhausted, message)))
    }

    /// One instance of the agent with its commit.
    async fn instance(&mut self) -> Result<Step, Fault> {
        let shared = self.shared;
        let transcript = self.transcript.clone();
        let attempt = self.next_attempt();
        let before = self.before(&attempt)?;
        let base = before.as_ref().map_or_else(|| shared.head.version(), |before| before.base);
        self.used.base = Some(shared.in_use.hold(base));
        let instance = Instance {
            shared,
            transcript: &transcript,
            attempt: attempt.clone(),
            agent: &self.work.agent.clone(),
            permissions: &self.work.permissions.clone(),
            access: Access::Granted,
            work: match &before {
                Some(before) => before.work,
                None => self.work.key.filter(|_| !self.renewed && !self.work.is_again),
            },
            limits: self.limits(before),
            deadline: self.work.deadline,
            input: self.work.input.clone(),
            state: self.used.state.clone(),
            base,
            judges: None,
            stop: &self.stop.clone(),
        };
        let failed = |problem| Ok(Step::Ended(Ending::Failed(attempt.clone(), problem)));
        let started = match instance.start()? {
            Ok(started) => started,
            Err(problem) => return failed(problem),
        };
        let stage = match shared.ports.workspace.stage(base, started.attempt(), started.limits()).await {
            Ok(stage) => stage,
            Err(error) => {
                let problem = Problem::new(IncidentClass::Transient, error.to_string());
                started.fail(&problem)?;
                return failed(problem);
            }
        };
        let may_write = started.may_write();
        self.count(started.noted());
        self.begins(started.noted());
        let has = match self.capture(&attempt, started.limits(), base).await {
            Some(captured) => captured?,
            None => {
                transcript.close();
                stage.discard().await;
                return Ok(Step::Ended(Ending::Interrupted));
            }
        };
        let has = match has {
            Ok(has) => has,
            Err(problem) => {
                stage.discard().await;
                started.fail(&problem)?;
                return failed(problem);
            }
        };
        let desk = Desk::new(shared, &transcript, &attempt);
        let middle = Middle::new(shared, &transcript, &attempt, may_write.then_some(&stage), &desk);
        let _mail = Returns(&desk);
        let reach = Reach {
            attachments: has.attachments,
            children: desk.clone(),
            ground: stage.ground(),
            mailbox: desk.clone(),
            memory: desk.clone(),
            people: desk.clone(),
            live: shared.live(&attempt.task),
            services: shared.ports.services.clone(),
        };
        let left = started.run(has.actions, stage.files(), middle.clone(), reach).await;
        self.used.changes.extend(middle.changes());
        let (result, usage) = match left? {
            Left::Ended(result, usage) => (result, usage),
            left => {
                stage.discard().await;
                return Ok(Step::Ended(left.into()));
            }
        };
        self.add(usage);
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(problem) => {
                stage.discard().await;
                return failed(if self.work.verify { judged(problem) } else { problem });
            }
        };
        if let Outcome::Completed(output) = &outcome
            && self.work.is_read
            && let Err(problem) = shared.room.admit(output)
        {
            stage.discard().await;
            return failed(problem);
        }
        if let (Outcome::Completed(output), Some(validator)) = (&outcome, self.work.validator.clone()) {
            match self.validate(&validator, output, &stage, attempt.number, base).await? {
                Verdict::Accepted => {}
                Verdict::Refused(problem) => {
                    stage.discard().await;
                    return failed(problem);
                }
                Verdict::Left(ending) => {
                    stage.discard().await;
                    return Ok(Step::Ended(ending));
                }
            }
        }
        if !may_write && desk.is_clear() {
            stage.discard().await;
        } else if shared.stop.is_given() || self.stop.is_given() {
            stage.discard().await;
            return Ok(Step::Ended(Ending::Interrupted));
        } else {
            let files = may_write.then_some(stage.as_ref());
            let committed = commit(shared, &transcript, &attempt, files, &desk).await?;
            stage.discard().await;
            match committed {
                Ok(changes) => self.used.changes.extend(changes),
                Err(problem) => return failed(problem),
            }
        }
        Ok(match outcome {
            Outcome::Completed(output) => Step::Ended(Ending::Completed(output)),
            Outcome::ContinueAsNew(state) => {
                self.used.state = Some(state);
                Step::Renewed
            }
        })
    }

    /// What the task is given beside its input; none where the run stops meanwhile.
    async fn capture(
        &self,
        attempt: &AttemptId,
        limits: &Limits,
        base: Digest,
    ) -> Option<Result<Result<Has, Problem>, Fault>> {
        let Self { shared, transcript, work, stop, .. } = self;
        if work.attach.is_empty() {
            return Some(Ok(Ok(Has::nothing())));
        }
        let (sources, permissions) = (work.attach.as_slice(), &work.permissions);
        let capturing = Capturing { shared, transcript, attempt, sources, permissions, limits, base };
        shared.stop.unless(stop.unless(capturing.run())).await.flatten()
    }

    fn next_attempt(&mut self) -> AttemptId {
        let number = self.used.next;
        self.used.next = number.saturating_add(1);
        AttemptId { task: self.work.task.clone(), number }
    }

    /// What an attempt that was begun before began with.
    fn before(&self, attempt: &AttemptId) -> Result<Option<Before>, Fault> {
        self.transcript.look(attempt.number, |entry| match entry {
            Entry::AttemptStarted { base, limits, work, .. } => {
                Some(Before { base: *base, limits: limits.clone(), work: *work })
            }
            _ => None,
        })
    }

    /// What bounds an attempt: what did before, or what the task says within what is left of the budget.
    fn limits(&self, before: Option<Before>) -> Limits {
        before.map(|before| before.limits).unwrap_or_else(|| {
            let limits = self.work.limits.clone();
            Limits { fuel: self.shared.spending.fuel_at_most(limits.fuel), ..limits }
        })
    }

    /// The last attempt cannot go on, and its record has no end yet.
    fn broken_off(&self, problem: Problem) -> Result<Ending, JournalError> {
        self.transcript.close();
        let problem = self.transcript.with_remains(problem);
        let number = self.used.next.saturating_sub(1);
        let ended = Entry::AttemptEnded { result: Err(problem.clone()), usage: Usage::default() };
        match self.transcript.note(number, ended) {
            Err(Fault::Lost(error)) => return Err(error),
            // A problem is small, and after a divergence there is no script left.
            Ok(_) | Err(Fault::Attempt(_)) => {}
        }
        Ok(Ending::Failed(AttemptId { task: self.work.task.clone(), number }, problem))
    }

    fn count(&mut self, noted: Noted) {
        self.used.attempts = self.used.attempts.saturating_add(u32::from(noted.is_new()));
    }

    /// After a renewal, what came before is not done again.
    fn begins(&mut self, noted: Noted) {
        if self.renewed {
            self.shared.ledger.kept.forget(&self.work.task);
        }
        if let Some(position) = noted.position.filter(|_| self.renewed) {
            let number = self.used.next.saturating_sub(1);
            self.used.script = Script { after: Position(position.0.saturating_sub(1)), number };
        }
    }

    fn add(&mut self, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        let sum = &mut self.used.usage;
        sum.fuel += usage.fuel;
        sum.tokens += usage.tokens;
        sum.money += usage.money;
        sum.memory = sum.memory.max(usage.memory);
        sum.time = sum.time.saturating_add(usage.time);
        sum.actions = sum.actions.saturating_add(usage.actions);
        sum.denials = sum.denials.saturating_add(usage.denials);
        sum.outside = sum.outside.saturating_add(usage.outside);
    }
}

/// Gives back what an attempt received and did not see to.
struct Returns<'a>(&'a Desk);

impl Drop for Returns<'_> {
    fn drop(&mut self) {
        self.0.give_mail_back();
    }
}

/// What an attempt began with.
struct Before {
    base: Digest,
    limits: Limits,
    work: Option<Digest>,
}

/// What an instance led to.
enum Step {
    Renewed,
    Ended(Ending),
}

impl From<Left> for Ending {
    fn from(left: Left) -> Self {
        match left {
            Left::Suspended(wait) => Ending::Suspended(wait),
            Left::Interrupted | Left::Ended(..) => Ending::Interrupted,
        }
    }
}
