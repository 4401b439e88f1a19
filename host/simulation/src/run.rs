//! One run through all its processes, from its beginning to its end.

use crate::check::{self, Broken};
use crate::faults::Rates;
use crate::ground::Ground;
use crate::life::{End, Life, LifeError, live};
use crate::project::Project;
use crate::world::World;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Record;
use longhaul_core::id::RunId;
use longhaul_core::state::RunState;
use longhaul_core::units::{Bytes, Timestamp};
use longhaul_engine::ports::Observer;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// When the first process starts: 14 November 2023.
const BEGIN: Timestamp = Timestamp(1_700_000_000_000);
/// A run that takes more processes than this does not come to its end.
const MAX_LIVES: u32 = 500;
/// How often a run may escalate. Nothing goes wrong after the first time, but agents that were in one another's way may be so once
/// more, with no attempts left from before.
const MAX_HANDS: u32 = 3;

/// What an undisturbed run comes to.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Each file of the result with the digest of its content.
    pub files: BTreeMap<String, Digest>,
    /// How long agents worked, added up.
    pub work: Duration,
    /// What was counted.
    pub outcome: Outcome,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it needed a person, and for what.
    pub person: Option<Person>,
    /// How long it was under way.
    pub under_way: Duration,
    /// Processes that carried it.
    pub lives: u32,
    /// Processes that died.
    pub crashes: u32,
    /// Times that the disk was full.
    pub full_disks: u32,
    /// Times that it was paused.
    pub pauses: u32,
    /// Incidents in its record.
    pub incidents: u64,
    /// Entries of its record.
    pub entries: u64,
    /// The digest of its record.
    pub record: Digest,
    /// How long agents worked, added up, without what was replayed.
    pub work: Duration,
    /// The most that the state folder took.
    pub disk: Bytes,
}

/// What a person was needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// The last strategy of a chain handed a task over.
    Escalated,
    /// The budget of time was used up.
    Budget,
}

/// A run that did not come to the end that it has to come to.
#[derive(Debug, thiserror::Error)]
#[error("seed {seed} over {files} files: {what}\n  again: cargo xtask simulate --seed {seed} --runs 1 --files {files}")]
pub struct Lost {
    /// Its seed.
    pub seed: u64,
    /// Its size.
    pub files: u32,
    /// What went wrong.
    pub what: String,
}

/// Is told of each hour of a run's time that begins: the second one, the third one and so on.
pub type OnHour = Arc<dyn Fn(u64) + Send + Sync>;

/// Lets a run come to its end with nothing going wrong, in `folder`.
///
/// # Errors
/// [`Lost`].
pub fn undisturbed(folder: &Path, project: Project, on_hour: OnHour) -> Result<Reference, Lost> {
    let mut run = Run::new(folder, project, 0, Rates::NONE, on_hour)?;
    let outcome = run.carry(None).map_err(|what| run.lost(&what))?;
    let files = run.ground.content().map_err(|error| run.lost(&error.into()))?;
    Ok(Reference { files, work: outcome.work, outcome })
}

/// Lets a run come to its end while `seed` says what goes wrong, in `folder`, and holds it against the undisturbed one.
///
/// # Errors
/// [`Lost`].
pub fn disturbed(
    folder: &Path,
    project: Project,
    rates: Rates,
    seed: u64,
    reference: &Reference,
    on_hour: OnHour,
) -> Result<Outcome, Lost> {
    let mut run = Run::new(folder, project, seed, rates, on_hour)?;
    run.carry(Some(reference)).map_err(|what| run.lost(&what))
}

struct Run {
    ground: Ground,
    world: Arc<World>,
    hours: Arc<Hours>,
    outcome: Outcome,
    now: Timestamp,
    /// How often it has escalated.
    hands: u32,
}

/// Why a run is lost.
#[derive(Debug, thiserror::Error)]
enum What {
    #[error("{0}")]
    Life(#[from] LifeError),
    #[error("{0}")]
    Broken(#[from] Broken),
    #[error("the simulation's own machine failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("it ended {state}: {reason}")]
    Ended { state: RunState, reason: String },
    #[error("it needs a person again and again although everything is mended: {0}")]
    Again(String),
    #[error("it has not come to its end in {MAX_LIVES} processes")]
    Endless,
}

impl Run {
    fn new(folder: &Path, project: Project, seed: u64, rates: Rates, on_hour: OnHour) -> Result<Self, Lost> {
        let lost = |what: String| Lost { seed, files: project.files, what };
        let run = RunId::new("simulated").map_err(|error| lost(error.to_string()))?;
        let ground = Ground::make(folder, project, run).map_err(|error| lost(error.to_string()))?;
        let outcome = Outcome {
            person: None,
            under_way: Duration::ZERO,
            lives: 0,
            crashes: 0,
            full_disks: 0,
            pauses: 0,
            incidents: 0,
            entries: 0,
            record: Digest::of(b""),
            work: Duration::ZERO,
            disk: Bytes(0),
        };
        let hours = Arc::new(Hours { told: AtomicU64::new(0), on_hour });
        Ok(Self { ground, world: World::new(seed, rates), hours, outcome, now: BEGIN, hands: 0 })
    }

    fn lost(&self, what: &What) -> Lost {
        Lost { seed: self.world.seed, files: self.ground.project.files, what: what.to_string() }
    }

    fn carry(&mut self, reference: Option<&Reference>) -> Result<Outcome, What> {
        while self.outcome.lives < MAX_LIVES {
            self.outcome.lives += 1;
            let Life { end, lasted, until } = live(&self.ground, &self.world, self.now, Arc::clone(&self.hours) as _)?;
            self.outcome.under_way += lasted;
            self.now = until;
            match end {
                End::Died => self.outcome.crashes += 1,
                End::DiskFull => self.outcome.full_disks += 1,
                End::WasDone => return self.done(reference),
                End::Rested(report) => match report.status {
                    RunState::Completed => return self.done(reference),
                    RunState::Paused => self.outcome.pauses += 1,
                    RunState::Escalated => self.hand_over(Person::Escalated, &report.reason)?,
                    RunState::Exhausted => self.hand_over(Person::Budget, &report.reason)?,
                    state => return Err(What::Ended { state, reason: report.reason }),
                },
            }
            self.pass_time();
        }
        Err(What::Endless)
    }

    /// The run waits for a person: everything has to be kept until then. A run that has escalated is lent a hand: from now on
    /// nothing goes wrong.
    fn hand_over(&mut self, person: Person, reason: &str) -> Result<(), What> {
        let told = check::record(&self.ground)?;
        check::kept(&self.ground, &told)?;
        if person == Person::Budget {
            self.outcome.person.get_or_insert(person);
            return Ok(());
        }
        self.world.mend();
        self.outcome.person = Some(person);
        self.hands += 1;
        match self.hands {
            0..=MAX_HANDS => Ok(()),
            _ => Err(What::Again(reason.to_owned())),
        }
    }

    fn done(&mut self, reference: Option<&Reference>) -> Result<Outcome, What> {
        let told = check::record(&self.ground)?;
        let files = match reference {
            Some(reference) => &reference.files,
            None => &self.ground.content()?,
        };
        self.world.tally.takes(crate::workspace::size_of(&self.ground.state));
        check::completed(&self.ground, &told, files)?;
        self.world.outside.check(usize::try_from(self.ground.project.chunks()).unwrap_or(usize::MAX))?;
        let outcome = Outcome {
            incidents: told.incidents,
            entries: told.entries,
            record: told.digest,
            work: self.world.tally.work(),
            disk: Bytes(self.world.tally.disk()),
            ..self.outcome.clone()
        };
        Ok(outcome)
    }

    /// Some time passes before the next process, and somebody may set the clock meanwhile.
    fn pass_time(&mut self) {
        const MINUTE: Duration = Duration::from_secs(60);
        let mut dice = self.world.dice();
        let down = dice.span(MINUTE, 30 * MINUTE);
        let jump = dice.span(MINUTE, 24 * 60 * MINUTE);
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let now = self.now.0 + millis(down);
        self.now = Timestamp(match dice.below(10) {
            0 => now.saturating_sub(millis(jump / 8)),
            1 => now + millis(jump),
            _ => now,
        });
    }
}

/// Watches the time of the record.
struct Hours {
    told: AtomicU64,
    on_hour: OnHour,
}

impl Observer for Hours {
    fn seen(&self, record: &Record) {
        let hour = record.at.since(BEGIN).as_secs() / 3600;
        if hour > self.told.fetch_max(hour, Relaxed) {
            (self.on_hour)(hour);
        }
    }
}
