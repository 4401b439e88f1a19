//! `longhaul logs`.

use crate::failure::{Exit, Failure};
use crate::state::{Place, resolve};
use crate::terminal::{one_line, say};
use longhaul_core::action::{Action, ActionResult};
use longhaul_core::attempt::{LogLevel, Outcome};
use longhaul_core::commands::Ran;
use longhaul_core::effect::{EffectClass, Intent};
use longhaul_core::entry::{Entry, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::TaskId;
use longhaul_core::outbox::Outbox;
use longhaul_core::people::{Answer, Reply};
use longhaul_core::spend::Spent;
use longhaul_core::units::show_duration;
use longhaul_store::{Content, EntryKind, Filter, Line};
use std::fmt::Write as _;
use std::process::ExitCode;

/// Show a run's record line by line: transitions, log lines, and with `--actions` every host call
///
/// For example: longhaul logs last --task change --denied
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// Only this task, for example `plan` or `change[3]`
    #[arg(long)]
    task: Option<String>,
    /// Also every host call: what was asked, what came of it
    #[arg(long)]
    actions: bool,
    /// Only host calls that were refused, with what would grant them
    #[arg(long)]
    denied: bool,
    /// Also log lines below INFO, and progress
    #[arg(long)]
    debug: bool,
    /// Write the entries as JSON, one a line, as they are stored
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let reader = place.reader()?;
    let run = resolve(&reader, &args.run)?;
    let task = args
        .task
        .as_deref()
        .map(TaskId::new)
        .transpose()
        .map_err(|e| Failure::of(Exit::Invalid, "read `--task`", &e))?;
    let wanted = |kind: &EntryKind| match kind {
        EntryKind::Action => args.actions || args.json,
        EntryKind::Progress => args.debug || args.json,
        _ => true,
    };
    let kinds = EntryKind::ALL.iter().copied().filter(wanted).collect();
    let filter = if args.denied {
        Filter { task, denied: true, ..Filter::default() }
    } else {
        Filter { task, kinds, ..Filter::default() }
    };
    let unreadable =
        |e: longhaul_store::StoreError| Failure::of(Exit::Internal, format!("read the record of {run}"), &e);
    let mut found = false;
    for line in reader.entries(&run, &filter).map_err(unreadable)? {
        let line = line.map_err(unreadable)?;
        found = true;
        if args.json {
            super::print_text(&format!("{}\n", String::from_utf8_lossy(&line.body)));
        } else if let Some(text) = show(&line, args.debug) {
            super::print_text(&text);
        }
    }
    // Silence would leave open whether nothing happened or the question was wrong.
    match (&args.task, found) {
        (_, true) => {}
        (Some(task), false) => {
            say(&format!("nothing of that about the task `{task}` in {run}; `longhaul show {run}` lists its tasks"))
        }
        (None, false) => say(&format!("nothing was refused in {run}")),
    }
    Ok(ExitCode::SUCCESS)
}

/// A line of the record as a person reads it.
fn show(line: &Line, debug: bool) -> Option<String> {
    let record = match &line.content {
        Content::Known(record) => record,
        Content::Unknown(value) => {
            return Some(format!("{:>7}  {}\n", line.position.0, one_line(&value.to_string(), 200)));
        }
    };
    let what = describe(record, debug)?;
    let task = record.task.as_ref().map_or_else(
        || "run".to_owned(),
        |task| match record.attempt {
            Some(number) => format!("{task}#{number}"),
            None => task.to_string(),
        },
    );
    let time = record.at.to_string();
    let time = time.get(11..23).unwrap_or(&time);
    Some(format!("{:>7}  {time}  {task:<16}  {what}\n", line.position.0))
}

fn describe(record: &Record, debug: bool) -> Option<String> {
    Some(match &record.entry {
        Entry::RunStarted { workflow, base, isolation, .. } => {
            format!("run of {} begins from {:.12} ({})", one_line(workflow, 60), base.to_string(), isolation.join(", "))
        }
        Entry::RunResumed { host, .. } => format!("the run goes on, with Longhaul {}", one_line(host, 40)),
        Entry::Forked { from, checkpoint } => format!("up to here copied from {from} at checkpoint {checkpoint}"),
        Entry::PluginUsed { name, plugin, digest, version } => {
            format!("{plugin} {name} {} is {:.12}", one_line(version, 30), digest.to_string())
        }
        Entry::TaskPlanned { needs, agent, or } => {
            let needs: Vec<_> = needs.iter().take(8).map(ToString::to_string).collect();
            let needs = if needs.is_empty() { String::new() } else { format!(" after {}", needs.join(", ")) };
            let agents: Vec<_> = std::iter::once(agent).chain(or).map(|agent| agent.as_str()).collect();
            format!("planned for {}{needs}", agents.join(" or "))
        }
        Entry::TaskChanged { from, to } => format!("{from} → {to}"),
        Entry::Reused { from, .. } => format!("takes the output of {from}, which did the same"),
        Entry::AttemptStarted { agent, .. } => format!("{agent} begins"),
        Entry::Captured(captured) => {
            let names: Vec<_> = captured.attachments.iter().take(8).map(|one| one_line(&one.name, 60)).collect();
            let more = captured.attachments.len().saturating_sub(names.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{} attachments are captured: {}{more}", captured.attachments.len(), names.join(", "))
        }
        Entry::Intended(intent) => describe_intent(intent),
        Entry::Kept { number, tree } => format!("keeps {:.12} for action {number}", tree.to_string()),
        Entry::Action(action) => describe_action(action),
        Entry::Log { level, message } => {
            if !debug && *level < LogLevel::Info {
                return None;
            }
            format!("{}: {}", level_name(*level), one_line(message, 1_000))
        }
        Entry::Progress { done, total, note } => {
            let total = total.map_or_else(String::new, |total| format!("/{total}"));
            format!("progress {done}{total} {}", one_line(note, 100))
        }
        Entry::AttemptSuspended { wait } => format!("is suspended and waits {wait}"),
        Entry::Published(outbox) => published(outbox),
        Entry::Answered { number, answer: Answer { reply, by } } => {
            let said = match reply {
                Reply::Text(text) => format!("`{}`", one_line(text, 300)),
                Reply::Approve(subject) => format!("yes to {subject}"),
                Reply::Reject(subject) => format!("no to {subject}"),
            };
            format!("{} answers question {number}: {said}", one_line(by, 60))
        }
        Entry::Idled { span } => format!("only people were waited for, for {}", show_duration(*span)),
        Entry::AttemptEnded { result, usage } => match result {
            Ok(Outcome::Completed(_)) => {
                format!("ends well: {} fuel, {} memory, {} host calls", usage.fuel, usage.memory, usage.actions)
            }
            Ok(Outcome::ContinueAsNew(_)) => "goes on in a fresh instance".to_owned(),
            Err(problem) => format!("ends badly: {}: {}", problem.class, one_line(&problem.message, 600)),
        },
        Entry::Committed { version, changes, published, .. } => {
            let also = if published.is_empty() { String::new() } else { format!("; {}", self::published(published)) };
            format!("{} changes committed as {:.12}{also}", changes.len(), version.to_string())
        }
        Entry::RolledBack { number, version, tasks, gone, .. } => format!(
            "the run goes back to checkpoint {number}, {:.12}: {} tasks stand as they did then, {} are gone",
            version.to_string(),
            tasks.len(),
            gone.len()
        ),
        Entry::CheckpointsDropped { through } => {
            format!("checkpoints up to {through} are kept no more: they took more than `checkpoints.max_disk`")
        }
        Entry::Checkpointed { number, version, .. } => format!("checkpoint {number} is {:.12}", version.to_string()),
        Entry::IncidentRaised { incident } => format!("incident {}", incident.problem.class),
        Entry::Decided { strategy, decision, error, .. } => match (decision, error) {
            (Some(decision), None) => format!("{strategy} decides: {}", one_line(&decision.to_string(), 400)),
            (Some(decision), Some(error)) => format!(
                "{strategy} decides: {}; that cannot be done: {}",
                one_line(&decision.to_string(), 400),
                one_line(error, 400)
            ),
            (None, Some(error)) => format!("{strategy} cannot decide: {}", one_line(error, 400)),
            (None, None) => format!("{strategy} leaves it to the next"),
        },
        Entry::RunChanged { from, to, reason } => format!("{from} → {to} {}", one_line(reason, 600)),
        Entry::HookCalled { hook, event, about, tries, answer, result } => {
            let came = match result {
                ActionResult::Ok => answer,
                ActionResult::Failed { error } | ActionResult::Denied { reason: error, .. } => error,
            };
            let how = if *result == ActionResult::Ok { "was told" } else { "could NOT be told" };
            format!("hook {hook} {how} of {event} ({}) in {tries} tries: {}", about.0, one_line(came, 200))
        }
        Entry::Applied { files, .. } => format!("{files} files put into the user's folder"),
    })
}

fn describe_intent(intent: &Intent) -> String {
    let Intent { capability, operation, resource, key, repeats, .. } = intent;
    let again = if *repeats > 0 { "does once more" } else { "is about to do" };
    format!("{again}: {capability} {operation} {} [key {:.12}]", one_line(resource, 200), key.to_string())
}

fn describe_action(action: &Action) -> String {
    let mut text = format!("{} {} {}", action.capability, action.operation, one_line(&action.resource, 200));
    if !action.detail.is_empty() {
        write!(text, " ({})", one_line(&action.detail, 200)).unwrap_or_default();
    }
    if action.calls > 1 {
        write!(text, " ×{}", action.calls).unwrap_or_default();
    }
    if action.bytes.0 > 0 {
        write!(text, " {}", action.bytes).unwrap_or_default();
    }
    if let Some(exchange) = &action.exchange {
        write!(text, " [{}]", EffectClass::of(action.capability, &action.operation)).unwrap_or_default();
        let Spent { tokens, money } = exchange.spent;
        if tokens.0 > 0 {
            write!(text, " {tokens} tokens").unwrap_or_default();
        }
        if money.0 > 0 {
            write!(text, " for {money}").unwrap_or_default();
        }
        if !exchange.took.is_zero() {
            write!(text, " in {}", show_duration(exchange.took)).unwrap_or_default();
        }
    }
    match &action.result {
        ActionResult::Ok => text.push_str(&ran(action).unwrap_or_default()),
        ActionResult::Denied { reason, grant } => {
            write!(text, "  DENIED: {}", one_line(reason, 200)).unwrap_or_default();
            if !grant.is_empty() {
                write!(text, "; would be granted by  {}", one_line(grant, 200)).unwrap_or_default();
            }
        }
        ActionResult::Failed { error } => write!(text, "  failed: {}", one_line(error, 200)).unwrap_or_default(),
    }
    text
}

/// How a command ended, what it changed, and the last that it said.
fn ran(action: &Action) -> Option<String> {
    let answer = action.exchange.as_ref().filter(|_| action.capability == Capability::Exec)?;
    let ran = Ran::read(&answer.answer).ok()?;
    let mut text = format!("  {}", ran.status);
    if ran.taken.changed > 0 {
        write!(text, ", changed {}", ran.taken.changed).ok()?;
    }
    if ran.taken.left_out > 0 {
        write!(text, ", {} changes left out", ran.taken.left_out).ok()?;
    }
    let gaps: Vec<_> = ran.isolation.iter().filter(|reached| !reached.stands()).map(|r| r.dimension.as_str()).collect();
    if !gaps.is_empty() {
        write!(text, ", NOT APART: {}", gaps.join(", ")).ok()?;
    }
    let said = [&ran.stderr, &ran.stdout].into_iter().map(|stream| stream.end(400)).find(|end| !end.trim().is_empty());
    if let Some(last) = said.as_ref().and_then(|end| end.lines().rfind(|line| !line.trim().is_empty())) {
        write!(text, "; said last: {}", one_line(last, 200)).ok()?;
    }
    Some(text)
}

/// What was made known to others, in words.
fn published(outbox: &Outbox) -> String {
    let Outbox { spawned, cancelled, sent, received, subscribed, asked, memory } = outbox;
    let counted = [
        ("asks for", spawned.len(), "children"),
        ("cancels", cancelled.len(), "children"),
        ("sends", sent.len(), "messages"),
        ("has seen to", received.len(), "messages"),
        ("makes", memory.len(), "writes to memory"),
    ];
    let counted = counted.into_iter().filter(|(_, count, _)| *count > 0);
    let told: Vec<_> = counted
        .map(|(does, count, what)| format!("{does} {count} {what}"))
        .chain(subscribed.iter().map(|topic| format!("subscribes to `{topic}`")))
        .chain(
            asked
                .iter()
                .map(|asked| format!("asks question {}: {}", asked.number, one_line(&asked.question.summary, 300))),
        )
        .collect();
    told.join(", ")
}

fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warning",
        LogLevel::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::id::Name;
    use longhaul_core::incident::Decision;
    use longhaul_core::units::Timestamp;

    #[test]
    fn a_refused_decision_says_why_it_was_refused() {
        let record = |error: Option<&str>| Record {
            at: Timestamp(0),
            task: None,
            attempt: None,
            entry: Entry::Decided {
                strategy: Name::new("planner").unwrap(),
                decision: Some(Decision::Split),
                error: error.map(str::to_owned),
                checkpoint: None,
            },
        };
        let refused = describe(&record(Some("add `split` to it")), false).unwrap();
        assert!(refused.contains("cannot be done: add `split` to it"), "{refused}");
        assert!(!describe(&record(None), false).unwrap().contains("cannot"));
    }
}
