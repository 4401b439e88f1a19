//! `longhaul resume`.

use crate::failure::{Exit, Failure};
use crate::given::Given;
use crate::session::{self, Manner, Session};
use crate::state::{self, Place, resolve};
use crate::wiring::Source;
use longhaul_core::entry::Budget;
use longhaul_core::id::RunId;
use longhaul_core::units::{
    Bytes, Fuel, Money, Tokens, UnitError, parse_count, parse_duration, parse_money, parse_size,
};
use longhaul_engine::{History, ResumeOptions, RunControl};
use longhaul_wiring::RecordsPort;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Go on with a run exactly where it was
///
/// For a run that was paused, killed, used up a budget, or waits for a person: to resume it is to say that what it waited for
/// was seen to. What was completed is not done again; what was under way is done again along its record, with the same plugins.
///
/// For example: longhaul resume last --wall-time 12h
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// Raise the budget of wall time, all resumptions together
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wall_time: Option<Duration>,
    /// Raise the budget of fuel, all resumptions together
    #[arg(long, value_name = "COUNT", value_parser = fuel)]
    fuel: Option<Fuel>,
    /// Raise the budget of tokens, all resumptions together
    #[arg(long, value_name = "COUNT", value_parser = tokens)]
    tokens: Option<Tokens>,
    /// Raise the budget of money, all resumptions together
    #[arg(long, value_name = "AMOUNT", value_parser = money)]
    money: Option<Money>,
    /// Raise the budget of disk space
    #[arg(long, value_name = "SIZE", value_parser = disk)]
    disk: Option<Bytes>,
    #[command(flatten)]
    manner: Manner,
}

fn duration(text: &str) -> Result<Duration, UnitError> {
    parse_duration(text)
}

fn fuel(text: &str) -> Result<Fuel, UnitError> {
    parse_count(text).map(Fuel)
}

fn tokens(text: &str) -> Result<Tokens, UnitError> {
    parse_count(text).map(Tokens)
}

fn money(text: &str) -> Result<Money, UnitError> {
    parse_money(text)
}

fn disk(text: &str) -> Result<Bytes, UnitError> {
    parse_size(text)
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let Args { wall_time, fuel, tokens, money, disk, .. } = args;
    let raise = Raise { wall_time: *wall_time, fuel: *fuel, tokens: *tokens, money: *money, disk: *disk };
    let carry = Carry { raise, control: RunControl::default() };
    go_on(place, &args.run, &args.manner, carry)
}

/// How a run goes on.
#[derive(Default)]
pub(super) struct Carry {
    /// What of its budget is another now.
    pub(super) raise: Raise,
    /// What it is told.
    pub(super) control: RunControl,
}

/// The parts of a budget that are given anew.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Raise {
    wall_time: Option<Duration>,
    fuel: Option<Fuel>,
    tokens: Option<Tokens>,
    money: Option<Money>,
    disk: Option<Bytes>,
}

impl Raise {
    /// The budget with what is given; none where nothing is.
    fn of(self, now: Budget) -> Option<Budget> {
        let Self { wall_time, fuel, tokens, money, disk } = self;
        (self != Self::default()).then(|| Budget {
            wall_time: wall_time.unwrap_or(now.wall_time),
            fuel: fuel.or(now.fuel),
            tokens: tokens.or(now.tokens),
            money: money.or(now.money),
            disk: disk.or(now.disk),
        })
    }
}

/// Goes on with a run, with another budget where one is given.
pub(super) fn go_on(
    place: &Place,
    run: &str,
    manner: &Manner,
    Carry { raise, control }: Carry,
) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let run = resolve(&place.reader()?, run)?;
    let root = place.for_apply(&folder)?;
    session::block_on(async {
        let lock = state::lock(&folder, "longhaul resume")?;
        let history = read(place, &run)?;
        let given = Given::recorded(&history)?;
        let budget = raise.of(history.budget(&given.workflow));
        let source = Source::Kept { state: &folder, history: &history };
        let session = Session::open(given, &folder, source, manner).await?;
        let entered = session.enter(&root, lock)?;
        let journal = Arc::new(entered.go_on(&run)?);
        entered.progress().catch_up(&history);
        let options = ResumeOptions {
            host: env!("CARGO_PKG_VERSION").to_owned(),
            isolation: entered.isolation(),
            budget,
            control: control.clone(),
        };
        let work =
            async |engine: longhaul_engine::Engine, given: Given| engine.resume(history, given.workflow, options).await;
        entered.carry(&run, journal, control, work).await
    })
}

/// What the record says of the run; an error where it does not go on.
fn read(place: &Place, run: &RunId) -> Result<History, Failure> {
    let history = History::read(&RecordsPort::new(place.reader()?), run).map_err(|e| unreadable(run, &e))?;
    // A run that is over may have hooks that a crash kept from being told of it; the engine tells them, and that it is over.
    let has_hooks = history.source.lines().any(|line| line.starts_with("hooks:"));
    if history.state.can_resume() || has_hooks {
        return Ok(history);
    }
    let message = format!("run {run} is {}, and what is {} does not go on", history.state, history.state);
    Err(Failure::new(Exit::Invalid, message)
        .hint("`longhaul runs` lists the runs; start a new one with `longhaul run`"))
}

fn unreadable(run: &RunId, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of(Exit::Internal, format!("read the record of {run}"), error)
}
