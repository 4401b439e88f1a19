//! `longhaul resume`.

use crate::failure::{Exit, Failure};
use crate::given::Given;
use crate::session::{self, Manner, Session};
use crate::state::{self, Place, resolve};
use crate::wiring::Source;
use longhaul_core::entry::Budget;
use longhaul_core::id::RunId;
use longhaul_core::units::{Fuel, UnitError, parse_count, parse_duration};
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
    #[command(flatten)]
    manner: Manner,
}

fn duration(text: &str) -> Result<Duration, UnitError> {
    parse_duration(text)
}

fn fuel(text: &str) -> Result<Fuel, UnitError> {
    parse_count(text).map(Fuel)
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let carry = Carry { wall_time: args.wall_time, fuel: args.fuel, control: RunControl::default() };
    go_on(place, &args.run, &args.manner, carry)
}

/// How a run goes on.
#[derive(Default)]
pub(super) struct Carry {
    /// Another budget of wall time.
    pub(super) wall_time: Option<Duration>,
    /// Another budget of fuel.
    pub(super) fuel: Option<Fuel>,
    /// What it is told.
    pub(super) control: RunControl,
}

/// Goes on with a run, with another budget where one is given.
pub(super) fn go_on(
    place: &Place,
    run: &str,
    manner: &Manner,
    Carry { wall_time, fuel, control }: Carry,
) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let run = resolve(&place.reader()?, run)?;
    let root = place.for_apply(&folder)?;
    session::block_on(async {
        let lock = state::lock(&folder, "longhaul resume")?;
        let history = read(place, &run)?;
        let given = Given::recorded(&history)?;
        let budget = (wall_time.is_some() || fuel.is_some()).then(|| {
            let Budget { wall_time: now, fuel: of } = history.budget(&given.workflow);
            Budget { wall_time: wall_time.unwrap_or(now), fuel: fuel.or(of) }
        });
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
    if history.state.can_resume() {
        return Ok(history);
    }
    let message = format!("run {run} is {}, and what is {} does not go on", history.state, history.state);
    Err(Failure::new(Exit::Invalid, message)
        .hint("`longhaul runs` lists the runs; start a new one with `longhaul run`"))
}

fn unreadable(run: &RunId, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of(Exit::Internal, format!("read the record of {run}"), error)
}
