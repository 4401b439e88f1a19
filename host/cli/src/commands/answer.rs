//! `longhaul answer`.

use super::resume::{self, Carry};
use crate::failure::{Exit, Failure};
use crate::keys;
use crate::question::QuestionRow;
use crate::session::{Manner, give_answer};
use crate::state::{self, Place, resolve};
use crate::terminal::say;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::RunId;
use longhaul_core::people::{Answer, AnswerError, Reply, Wants};
use longhaul_engine::{History, OpenQuestion};
use longhaul_wiring::RecordsPort;
use std::path::Path;
use std::process::ExitCode;

/// Answer a question that an agent asks, or list what is asked
///
/// Without an answer it lists the open questions of the run, each with the command that answers it. An answer is recorded at once, with who gave it,
/// whether the run is under way or rests; one that rests goes on with it by `longhaul resume`, or by `--resume` here.
///
/// For example: longhaul answer last 3 --approve --resume
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// The question, by its number; may be left out with `--option`, `--approve` and `--reject` where one is open
    question: Option<u32>,
    /// The answer, or the text of the option
    #[arg(conflicts_with_all = ["option", "approve", "reject"])]
    text: Option<String>,
    /// Choose an option, by its number from 1 on
    #[arg(long, value_name = "N", conflicts_with_all = ["approve", "reject"])]
    option: Option<usize>,
    /// Approve exactly what the question shows the digest of
    #[arg(long, conflicts_with = "reject")]
    approve: bool,
    /// Reject it
    #[arg(long)]
    reject: bool,
    /// Who answers; by default the name of the user on this machine
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Go on with the run, where no process carries it
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    manner: Manner,
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let run = resolve(&place.reader()?, &args.run)?;
    let history = read(place, &run)?;
    let open = if history.state.can_resume() { history.questions() } else { Vec::new() };
    let gives = args.text.is_some() || args.option.is_some() || args.approve || args.reject;
    if !gives {
        return list(&run, &open, args);
    }
    let number = match (args.question, open.as_slice()) {
        (Some(number), _) => number,
        (None, [one]) => one.asked.number,
        (None, []) => return Err(Failure::new(Exit::Invalid, format!("run {run} asks nothing"))),
        (None, many) => {
            let message =
                format!("run {run} asks {} questions, and the answer does not say which it is for", many.len());
            return Err(Failure::new(Exit::Invalid, message).hint(format!("`longhaul answer {run}` lists them")));
        }
    };
    let refused = |error: AnswerError| refused(&run, &error);
    let asked = open.iter().find(|question| question.asked.number == number).map(|question| &question.asked.question);
    let Some(asked) = asked else {
        // The record knows why: it may have been answered.
        let reply = Reply::Text(String::new());
        return Err(refused(history.admits(number, &reply).err().unwrap_or(AnswerError::NotOpen(number))));
    };
    let reply = reply(args, &asked.wants)
        .ok_or_else(|| refused(AnswerError::Unfit { number, wants: asked.wants.to_string() }))?;
    asked.admit(number, &reply).map_err(refused)?;
    let answer = Answer { reply, by: args.by.clone().unwrap_or_else(user) };
    match give_answer(&folder, &run, number, &answer)? {
        Some(Ok(())) => {
            say(&format!("question {number} of {run} is answered, and the run goes on"));
            return Ok(ExitCode::SUCCESS);
        }
        Some(Err(reason)) => return Err(not_taken(&run, reason)),
        None => record(place, &folder, &run, number, answer)?,
    }
    if args.resume {
        return resume::go_on(place, run.as_str(), &args.manner, Carry::default());
    }
    say(&format!("question {number} of {run} is answered; go on with `longhaul resume {run}`"));
    Ok(ExitCode::SUCCESS)
}

fn list(run: &RunId, open: &[OpenQuestion], args: &Args) -> Result<ExitCode, Failure> {
    let wanted = open.iter().filter(|question| args.question.is_none_or(|number| number == question.asked.number));
    let rows: Vec<_> = wanted.map(|open| QuestionRow::of(run, &open.task, &open.asked)).collect();
    if args.manner.is_json() {
        super::print_json(&rows)?;
    } else if rows.is_empty() {
        say(&format!("run {run} asks nothing"));
    } else {
        let texts: Vec<_> = rows.iter().map(QuestionRow::to_text).collect();
        super::print_text(&texts.join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the arguments say, where that can answer such a question.
fn reply(args: &Args, wants: &Wants) -> Option<Reply> {
    match (wants, args) {
        (Wants::Approval(subject), Args { approve: true, .. }) => Some(Reply::Approve(*subject)),
        (Wants::Approval(subject), Args { reject: true, .. }) => Some(Reply::Reject(*subject)),
        (Wants::Option(options), Args { option: Some(number), .. }) => {
            Some(Reply::Text(options.get(number.checked_sub(1)?)?.clone()))
        }
        (Wants::Text | Wants::Option(_), Args { text: Some(text), .. }) => Some(Reply::Text(text.clone())),
        _ => None,
    }
}

/// Records an answer to a run that nobody carries.
fn record(place: &Place, folder: &Path, run: &RunId, number: u32, answer: Answer) -> Result<(), Failure> {
    let unwritten = |e| Failure::of(Exit::Internal, format!("record the answer in {}", folder.display()), &e);
    let lock = state::lock(folder, "longhaul answer")?;
    // Only now nobody else adds anything to it.
    let history = read(place, run)?;
    let task = history.admits(number, &answer.reply).map_err(|error| refused(run, &error))?;
    let at = state::now().max(history.last());
    let journal = keys::open_journal(lock)?;
    let entries = journal.open_run(run).map_err(unwritten)?;
    let rested = Entry::Idled { span: at.since(history.last()) };
    for (task, entry) in [(None, rested), (Some(task), Entry::Answered { number, answer })] {
        entries.append(&Record { at, task, attempt: None, entry }).map_err(unwritten)?;
    }
    entries.flush().wait().map_err(unwritten)?;
    journal.close().map_err(unwritten)
}

fn read(place: &Place, run: &RunId) -> Result<History, Failure> {
    History::read(&RecordsPort::new(place.reader()?), run)
        .map_err(|e| Failure::of(Exit::Internal, format!("read the record of {run}"), &e))
}

fn refused(run: &RunId, error: &AnswerError) -> Failure {
    not_taken(run, error.to_string())
}

fn not_taken(run: &RunId, reason: String) -> Failure {
    Failure::new(Exit::Invalid, reason).hint(format!("`longhaul answer {run}` lists what is asked"))
}

/// The name of the user on this machine, or its number where it has none.
fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("user {uid}"))
}
