//! `longhaul audit log`.

use crate::commands::{print_json, print_text};
use crate::failure::{Exit, Failure};
use crate::state::{Place, resolve};
use crate::terminal::{one_line, say, table};
use clap::ValueEnum;
use longhaul_audit::query::{Deed, Deeds, Gap, Outcome, OutcomeWanted, Paths, Totals, Wanted};
use longhaul_core::grant::Capability;
use longhaul_core::id::{Name, TaskId};
use longhaul_core::units::{Timestamp, show_duration};
use longhaul_store::{EntryKind, Filter, StoreError};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  longhaul audit log last --outcome denied            every refusal, and what would have granted it
  longhaul audit log last --writes --outside 'src/**'  every write outside of src
  longhaul audit log last --totals                    hosts, commands, secrets, cost, people and gaps";

/// Answer questions about what was done: by whom, to what, with what result
///
/// Lists the actions of a run, and the paths that its commits changed where the question is about paths; every condition has to hold.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// Done by this task, its elements or its children
    #[arg(long)]
    task: Option<String>,
    /// Done by this agent
    #[arg(long)]
    agent: Option<String>,
    /// Done with this capability, for example `fs`, `exec` or `http`
    #[arg(long)]
    capability: Option<String>,
    /// Done to files with paths of this pattern; can be given several times
    #[arg(long, value_name = "PATTERN")]
    path: Vec<String>,
    /// Done to files with paths of no such pattern; can be given several times
    #[arg(long, value_name = "PATTERN")]
    outside: Vec<String>,
    /// Only what changed files, or tried to
    #[arg(long)]
    writes: bool,
    /// Requests to this host, or to one below it
    #[arg(long)]
    host: Option<String>,
    /// Commands that begin with these words
    #[arg(long, value_name = "WORDS")]
    command: Option<String>,
    /// Ended so
    #[arg(long, value_enum)]
    outcome: Option<Ended>,
    /// Not before, for example `2026-11-20T05:14:22Z`
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Not after
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// What it all comes to instead of each action: hosts, commands with their isolation, secrets, cost, people, gaps
    #[arg(long)]
    totals: bool,
    /// Write JSON: an action a line, or the totals
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Ended {
    /// As asked
    Ok,
    /// Refused by the grant
    Denied,
    /// Gone wrong
    Failed,
}

pub(super) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let wanted = wanted(args)?;
    let reader = place.reader()?;
    let run = resolve(&reader, &args.run)?;
    let unreadable = |e: StoreError| Failure::of(Exit::Internal, format!("read the record of {run}"), &e);
    let (mut deeds, mut totals, mut found) = (Deeds::default(), Totals::default(), 0_u64);
    let kinds = match args.totals {
        true => Vec::new(),
        false => vec![EntryKind::AttemptStarted, EntryKind::Action, EntryKind::Committed],
    };
    for line in reader.entries(&run, &Filter { kinds, ..Filter::default() }).map_err(unreadable)? {
        let line = line.map_err(unreadable)?;
        let Some(record) = line.record() else { continue };
        if args.totals {
            totals.record(line.position, record);
        }
        for deed in deeds.of(line.position, record).into_iter().filter(|deed| wanted.takes(deed)) {
            found += 1;
            match (args.totals, args.json) {
                (true, _) => totals.deed(&deed),
                (false, true) => {
                    let text = serde_json::to_string(&deed);
                    let text = text.map_err(|e| Failure::of(Exit::Internal, "write an action as JSON", &e))?;
                    print_text(&format!("{text}\n"));
                }
                (false, false) => print_text(&shown(&deed)),
            }
        }
    }
    match (args.totals, args.json) {
        (true, true) => print_json(&totals)?,
        (true, false) => print_text(&sums(&totals)),
        (false, _) => say(&format!("{found} found in {run}")),
    }
    Ok(ExitCode::SUCCESS)
}

fn wanted(args: &Args) -> Result<Wanted, Failure> {
    let invalid =
        |what: &str, error: &dyn std::error::Error| Failure::new(Exit::Invalid, format!("`--{what}`: {error}"));
    let capability = args.capability.as_ref().map(|given| {
        serde_json::from_value::<Capability>(given.as_str().into()).map_err(|_| {
            let message = format!("`{}` is no capability", one_line(given, 40));
            Failure::new(Exit::Invalid, message)
                .hint("they are fs, exec, model, http, memory, messages, tasks, human, clock, context")
        })
    });
    Ok(Wanted {
        task: args.task.as_deref().map(TaskId::new).transpose().map_err(|e| invalid("task", &e))?,
        agent: args.agent.as_deref().map(Name::new).transpose().map_err(|e| invalid("agent", &e))?,
        capability: capability.transpose()?,
        writes: args.writes,
        host: args.host.clone(),
        command: args.command.clone(),
        outcome: args.outcome.map(|ended| match ended {
            Ended::Ok => OutcomeWanted::Ok,
            Ended::Denied => OutcomeWanted::Denied,
            Ended::Failed => OutcomeWanted::Failed,
        }),
        from: args.from,
        to: args.to,
        within: Paths::of(&args.path).map_err(|e| invalid("path", &e))?,
        outside: Paths::of(&args.outside).map_err(|e| invalid("outside", &e))?,
    })
}

/// An action as a person reads it.
fn shown(deed: &Deed) -> String {
    let who = match (&deed.task, deed.attempt) {
        (Some(task), Some(attempt)) => format!("{task}#{attempt}"),
        (Some(task), None) => task.to_string(),
        (None, _) => "run".to_owned(),
    };
    let agent = deed.agent.as_ref().map_or("-", |agent| agent.as_str());
    let time = deed.at.to_string();
    let time = time.get(11..23).unwrap_or(&time);
    let mut text = format!("{} {} {}", deed.capability, deed.operation, one_line(&deed.resource, 200));
    if !deed.detail.is_empty() {
        text += &format!(" ({})", one_line(&deed.detail, 120));
    }
    if deed.calls > 1 {
        text += &format!(" ×{}", deed.calls);
    }
    if deed.spent.tokens.0 > 0 {
        text += &format!(" {} tokens", deed.spent.tokens);
    }
    if !deed.secrets.is_empty() {
        text += &format!(" with secrets {}", deed.secrets.join(", "));
    }
    text += &match &deed.outcome {
        Outcome::Ok { status } if status.is_empty() => String::new(),
        Outcome::Ok { status } => format!("  {status}"),
        Outcome::Denied { reason, grant } if grant.is_empty() => format!("  DENIED: {}", one_line(reason, 200)),
        Outcome::Denied { reason, grant } => {
            format!("  DENIED: {}; would be granted by  {}", one_line(reason, 200), one_line(grant, 200))
        }
        Outcome::Failed { error } => format!("  failed: {}", one_line(error, 200)),
    };
    let mut line = format!("{:>7}  {time}  {who:<16}  {agent:<12}  {text}\n", deed.position);
    let gaps: Vec<_> = deed.isolation.iter().filter(|one| one.ends_with("NOT APART")).map(String::as_str).collect();
    if !gaps.is_empty() {
        line += &format!("{:>57}{}\n", "", gaps.join(", "));
    }
    line
}

/// The totals as a person reads them.
fn sums(totals: &Totals) -> String {
    let mut text = String::new();
    let mut section = |title: &str, head: &[&str], rows: Vec<Vec<String>>| {
        let rows: Vec<_> = rows.into_iter().map(|row| row.iter().map(|cell| one_line(cell, 100)).collect()).collect();
        text += &format!("{title}\n");
        match rows.is_empty() {
            true => text += "  none\n\n",
            false => {
                let head = head.iter().map(|&cell| cell.to_owned()).collect();
                text += &format!("{}\n", table(&[vec![head], rows].concat()));
            }
        }
    };
    let list = |all: &mut dyn Iterator<Item = String>| all.collect::<Vec<_>>().join(", ");
    let hosts = totals.hosts.iter().map(|(name, host)| {
        let methods = list(&mut host.methods.iter().cloned());
        vec![
            name.clone(),
            host.requests.to_string(),
            host.denied.to_string(),
            methods,
            list(&mut host.tasks.iter().map(ToString::to_string)),
        ]
    });
    section("Hosts contacted", &["host", "requests", "refused", "methods", "tasks"], hosts.collect());
    let commands = totals.commands.iter().map(|(line, command)| {
        let statuses = list(&mut command.statuses.iter().map(|(status, count)| format!("{status} ×{count}")));
        let apart = list(&mut command.isolation.iter().cloned());
        vec![line.clone(), command.runs.to_string(), command.denied.to_string(), statuses, apart]
    });
    section("Commands", &["command", "runs", "refused", "ended", "kept apart by"], commands.collect());
    let secrets = totals
        .secrets
        .iter()
        .map(|(name, used)| vec![name.clone(), used.uses.to_string(), list(&mut used.hosts.iter().cloned())]);
    section("Secrets used, by name", &["secret", "uses", "hosts"], secrets.collect());
    let agents = totals.agents.iter().map(|(name, cost)| {
        let time = show_duration(cost.time);
        vec![
            name.clone(),
            cost.count.to_string(),
            time,
            cost.fuel.to_string(),
            cost.tokens.to_string(),
            cost.money.to_string(),
        ]
    });
    section("Cost by agent", &["agent", "attempts", "time", "fuel", "tokens", "money"], agents.collect());
    let models = totals.models.iter().map(|(name, cost)| {
        vec![name.clone(), cost.count.to_string(), cost.tokens.to_string(), cost.money.to_string()]
    });
    section("Cost by model", &["model", "calls", "tokens", "money"], models.collect());
    let people = totals.people.values().map(|said| {
        let answer = said.answer.clone().unwrap_or_else(|| "not answered".to_owned());
        let task = said.task.as_ref().map(ToString::to_string).unwrap_or_default();
        let when = said.at.map(|at| at.to_string()).unwrap_or_default();
        vec![said.number.to_string(), task, said.summary.clone(), answer, said.by.clone().unwrap_or_default(), when]
    });
    section("People", &["question", "task", "asked", "answer", "by", "at"], people.collect());
    let gaps = totals.gaps.iter().map(|gap| match gap {
        Gap::Silence { position, span } => {
            vec![position.to_string(), format!("nothing recorded for {}", show_duration(*span))]
        }
        Gap::Regression { position, by } => {
            vec![position.to_string(), format!("the clock goes back by {}", show_duration(*by))]
        }
    });
    section("Gaps and steps back of the clock", &["entry", "what"], gaps.collect());
    text
}
