//! `longhaul audit replay`.

use crate::commands::{print_json, print_text};
use crate::failure::{Exit, Failure};
use crate::given::Given;
use crate::session::{self, Manner, Session};
use crate::state::{self, Place, resolve};
use crate::terminal::one_line;
use crate::wiring::Source;
use longhaul_engine::{History, Replayed, Verdict};
use longhaul_wiring::RecordsPort;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Do every attempt of a run again from its record, and demand the same
///
/// The components that the run kept are executed once more. Each action, its fuel, the output and every byte that was committed has to be
/// what the record says; the first difference is told, and the exit code is 4. Nobody outside is asked: models, commands and the web answer from the record.
///
/// For example: longhaul audit replay last
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Print nothing but what differs
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let run = resolve(&place.reader()?, &args.run)?;
    let root = place.for_apply(&folder)?;
    let mut all: Vec<Replayed> = Vec::new();
    session::block_on(async {
        let lock = state::lock(&folder, "longhaul audit replay")?;
        let history = History::read(&RecordsPort::new(place.reader()?), &run)
            .map_err(|e| Failure::of(Exit::Internal, format!("read the record of {run}"), &e))?;
        let given = Given::recorded(&history)?;
        let source = Source::Kept { state: &folder, history: &history };
        let session = Session::open(given, &folder, source, &Manner::silent()).await?;
        let told = |one: Replayed| {
            if !args.json && (!args.quiet || matches!(one.verdict, Verdict::Differs(_))) {
                print_text(&line(&one));
            }
            all.push(one);
        };
        session.replay(&root, lock, &history, told).await
    })?;
    let count = |wanted: fn(&Verdict) -> bool| all.iter().filter(|one| wanted(&one.verdict)).count();
    let same = count(|verdict| matches!(verdict, Verdict::Same));
    let cut_off = count(|verdict| matches!(verdict, Verdict::CutOff));
    let differ = count(|verdict| matches!(verdict, Verdict::Differs(_)));
    let impossible = count(|verdict| matches!(verdict, Verdict::Impossible(_)));
    if args.json {
        let tries: Vec<_> = all.iter().map(told).collect();
        print_json(
            &json!({ "run": run, "same": same, "cut_off": cut_off, "differ": differ, "impossible": impossible, "tries": tries }),
        )?;
    } else {
        let mut text = format!("{run}: {same} of {} tries did the same again", all.len());
        for (count, what) in [
            (cut_off, "did the same as far as their record goes"),
            (differ, "did something else"),
            (impossible, "could not be done again"),
        ] {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        print_text(&format!("{text}\n"));
    }
    Ok(if differ > 0 { Exit::Unverified.into() } else { ExitCode::SUCCESS })
}

fn line(one: &Replayed) -> String {
    let Replayed { attempt, agent, entries, verdict } = one;
    let what = match verdict {
        Verdict::Same => format!("the same again, {entries} entries"),
        Verdict::CutOff => format!("the same as far as its record goes, {entries} entries"),
        Verdict::Differs(what) => format!("DIFFERS: {}", one_line(what, 1_000)),
        Verdict::Impossible(why) => format!("not done again: {}", one_line(why, 300)),
    };
    format!("{attempt:<24}  {agent:<14}  {what}\n")
}

fn told(one: &Replayed) -> Value {
    let (verdict, about) = match &one.verdict {
        Verdict::Same => ("same", None),
        Verdict::CutOff => ("cut-off", None),
        Verdict::Differs(what) => ("differs", Some(what)),
        Verdict::Impossible(why) => ("impossible", Some(why)),
    };
    json!({ "attempt": one.attempt, "agent": one.agent, "entries": one.entries, "verdict": verdict, "about": about })
}
