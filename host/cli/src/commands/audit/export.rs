//! `longhaul audit export`.

mod attest;
mod bundle;
mod events;
mod html;
mod target;

use crate::failure::{Exit, Failure};
use crate::state::{Place, resolve};
use std::path::PathBuf;
use std::process::ExitCode;
use target::Target;

/// Write the record of a run for others: whole, to be verified anywhere, or in a form that other programs read
///
/// Exactly one form is named. Nothing is changed, and a run under way can be exported.
///
/// For example: longhaul audit export last --bundle
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    #[command(flatten)]
    form: Form,
    /// The file to write, `-` for stdout [default: for a bundle RUN.longhaul and for a report RUN.html in this folder, else stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file where it is there already
    #[arg(long)]
    force: bool,
}

/// What is written.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option, and exactly one of them is given")]
struct Form {
    /// One file that `audit verify --bundle FILE` verifies without the state folder
    #[arg(long)]
    bundle: bool,
    /// A report for people: one HTML page that needs nothing else
    #[arg(long)]
    html: bool,
    /// The entries as they are stored, one a line with its position
    #[arg(long)]
    jsonl: bool,
    /// Host calls as security events of OCSF 1.3, one a line
    #[arg(long)]
    ocsf: bool,
    /// Run, tasks, attempts and actions as spans of OpenTelemetry, in lines of OTLP/JSON
    #[arg(long)]
    otel: bool,
    /// What the run came to as an in-toto statement, signed with the key of the record
    #[arg(long)]
    in_toto: bool,
}

pub(super) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let reader = place.reader()?;
    let run = resolve(&reader, &args.run)?;
    let moment = reader.hold_still();
    let _moment = moment.map_err(|e| Failure::of(Exit::Internal, "read the record", &e))?;
    let Form { bundle, html, jsonl, ocsf, otel, in_toto: _ } = args.form;
    let usual = match (bundle, html) {
        (true, _) => Some(format!("{run}.longhaul")),
        (_, true) => Some(format!("{run}.html")),
        _ => None,
    };
    let mut is_altered = false;
    let mut target = Target::open(args.output.as_deref(), usual.as_deref(), args.force)?;
    if bundle {
        bundle::write(&reader, &run, &mut target)?;
    } else if html {
        is_altered = html::write(&reader, &place.find()?, &run, &mut target)?;
    } else if jsonl {
        events::lines(&reader, &run, &mut target)?;
    } else if ocsf {
        events::ocsf(&reader, &run, &mut target)?;
    } else if otel {
        events::otel(&reader, &run, &mut target)?;
    } else {
        attest::write(&reader, &place.find()?, &run, &mut target)?;
    }
    target.finish()?;
    Ok(if is_altered { Exit::Unverified.into() } else { ExitCode::SUCCESS })
}
