//! Verification of a bundle: its form, and the record in it.

use super::record::{Log, Records};
use super::{Beliefs, Evidence, Found, Rows, UNKNOWN_TO_LOG, Verdict, is_over};
use crate::failure::{Exit, Failure};
use longhaul_audit::bundle::{self, BundleError, Kind, Survey};
use longhaul_audit::verify::Ending;
use longhaul_core::entry::Position;
use longhaul_core::state::RunState;
use longhaul_store::{Of, Raw};
use longhaul_wiring::origin_of_run;
use serde::Deserialize;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Bytes read at a time.
const BUFFER: usize = 256 << 10;

/// A bundle that was looked over.
pub(crate) struct Bundle {
    path: PathBuf,
    survey: Survey,
    /// How its run stood at its end, where an entry says so.
    state: Option<RunState>,
}

/// Of an entry that says how the run stands, what is needed to know that.
#[derive(Deserialize)]
struct Change {
    kind: String,
    #[serde(default)]
    to: Option<RunState>,
}

impl Bundle {
    /// Looks over the bundle in the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let mut state = None;
        let survey = Survey::read(open(path)?, |body| {
            if let Some(to) = change(body) {
                state = Some(to);
            }
        });
        let survey = survey.map_err(|error| unread(path, &error))?;
        Ok(Self { path: path.to_owned(), survey, state })
    }

    /// Verifies what is in it.
    pub(crate) fn verify(&self, beliefs: Beliefs<'_>) -> Result<Vec<Verdict>, Failure> {
        let Survey { header, flaws, further, unknown } = &self.survey;
        let records = Records { evidence: self, beliefs };
        let Log { verdict: log, known, origin } = records.log(|run| *run == header.run)?;
        let ending = if self.state.is_some_and(is_over) { Ending::Sealed } else { Ending::Open };
        let mut run = records.run(&header.run, &known, ending)?;
        if known.is_empty() && log.entries > 0 && run.heads > 0 {
            run.findings.push(Found::new(None, UNKNOWN_TO_LOG));
        }
        let expected = origin_of_run(&header.run).map_err(|error| Failure::new(Exit::Internal, error))?;
        if header.origin != expected {
            let what = format!("the bundle's header names the origin `{}`, and it is `{expected}`", header.origin);
            run.findings.push(Found::new(None, what));
        }
        if header.log != origin {
            run.findings.push(Found::new(None, "the bundle's header names another log than the one in it"));
        }
        run.findings.extend(flaws.iter().map(|flaw| Found::new(None, flaw.to_string())));
        if *further > 0 {
            run.findings.push(Found::new(None, format!("and {further} more lines of the bundle")));
        }
        run.remarks.extend(unknown.iter().map(|(kind, line)| {
            format!("line {line} of the bundle is a `{kind}`, which this version does not know and has not looked at")
        }));
        Ok(vec![log, run])
    }

    fn rows(&self, kind: Kind) -> Result<Rows<'_>, Failure> {
        let rows = bundle::Rows::new(open(&self.path)?, kind).map_err(|error| unread(&self.path, &error))?;
        Ok(Box::new(rows.map(|row| match row {
            Ok((at, bytes)) => Ok(Raw { at: Position(at), bytes, is_sound: true }),
            Err(error) => Err(error.to_string()),
        })))
    }
}

impl Evidence for Bundle {
    fn entries(&self, of: Of<'_>) -> Result<Rows<'_>, Failure> {
        self.rows(match of {
            Of::Run(_) => Kind::Entry,
            Of::Log => Kind::LogEntry,
        })
    }

    fn heads(&self, of: Of<'_>) -> Result<Rows<'_>, Failure> {
        self.rows(match of {
            Of::Run(_) => Kind::Head,
            Of::Log => Kind::LogHead,
        })
    }
}

/// What an entry says of how the run stands. Stored entries have no spaces between their parts, so that most can be told apart unread.
fn change(body: &[u8]) -> Option<RunState> {
    let body = std::str::from_utf8(body).ok().filter(|body| body.contains(r#""kind":"run-changed""#))?;
    let change: Change = serde_json::from_str(body).ok()?;
    change.to.filter(|_| change.kind == "run-changed")
}

fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    let doing = || format!("verify the bundle {}", path.display());
    // A pipe would not even open before somebody writes into it.
    let found = std::fs::metadata(path).map_err(|e| Failure::of(Exit::Invalid, doing(), &e))?;
    if !found.is_file() {
        let message = format!("{} is not a file, and a bundle is read more than once", path.display());
        return Err(Failure::new(Exit::Invalid, message));
    }
    let file = File::open(path).map_err(|e| Failure::of(Exit::Invalid, doing(), &e))?;
    Ok(BufReader::with_capacity(BUFFER, file))
}

fn unread(path: &Path, error: &BundleError) -> Failure {
    Failure::of(Exit::Invalid, format!("verify the bundle {}", path.display()), error)
}
