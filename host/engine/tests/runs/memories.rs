//! Memory as the record says it is, worked out anew at each look; and a guest's side of it.

use crate::world::{FakeJournal, problem};
use longhaul_core::action::{Action, ActionResult, Exchange};
use longhaul_core::attempt::{AttemptEvent, Job};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::{Name, RunId, TaskId};
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::memory::{
    Finder, Found, Hit, Keys, MemoryError, MemoryScope, MemorySpace, MemoryWrite, Room, each_word, searched,
};
use longhaul_core::payload::Payload;
use longhaul_core::units::Bytes;
use longhaul_engine::ports::{Looked, Memories, MemoryFailed};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The memory that a journal's durable records make.
pub(crate) struct FakeMemories(pub(crate) Arc<FakeJournal>);

type All = HashMap<MemorySpace, BTreeMap<String, Payload>>;

/// What these records make of memory. What a fork was copied with has reached its workflow already.
pub(crate) fn fold(records: &[Record]) -> All {
    let mut all = All::new();
    let Some(Entry::RunStarted { run, workflow, .. }) = records.first().map(|record| &record.entry) else { return all };
    let copied = records.iter().rposition(|record| matches!(record.entry, Entry::Forked { .. })).unwrap_or(0);
    for (at, record) in records.iter().enumerate() {
        match &record.entry {
            Entry::Published(outbox) | Entry::Committed { published: outbox, .. } => {
                for write in &outbox.memory {
                    let task = record.task.clone().unwrap();
                    let space = space_of(write, run, task, workflow);
                    if at > copied || write.scope != MemoryScope::Workflow {
                        put(&mut all, space, write);
                    }
                }
            }
            Entry::RolledBack { to, .. } => {
                let mut then = fold(&records[..=to.unwrap().0 as usize]);
                all.retain(|space, _| space.scope() == MemoryScope::Workflow);
                then.retain(|space, _| space.scope() != MemoryScope::Workflow);
                all.extend(then);
            }
            _ => {}
        }
    }
    all
}

fn space_of(write: &MemoryWrite, run: &RunId, task: TaskId, workflow: &str) -> MemorySpace {
    match write.scope {
        MemoryScope::Task => MemorySpace::Task(run.clone(), task),
        MemoryScope::Run => MemorySpace::Run(run.clone()),
        MemoryScope::Workflow => MemorySpace::Workflow(Name::new(workflow).unwrap()),
    }
}

fn put(all: &mut All, space: MemorySpace, write: &MemoryWrite) {
    let memories = all.entry(space).or_default();
    match &write.value {
        Some(value) => drop(memories.insert(write.key.clone(), value.clone())),
        None => drop(memories.remove(&write.key)),
    }
}

impl FakeMemories {
    fn of(&self, space: &MemorySpace) -> BTreeMap<String, Payload> {
        let records = self.0.records();
        fold(&records[..self.0.durable()]).remove(space).unwrap_or_default()
    }
}

fn ready<'a, T: Send + 'a>(found: T) -> Looked<'a, T> {
    Box::pin(std::future::ready(Ok::<_, MemoryFailed>(found)))
}

impl Memories for FakeMemories {
    fn get<'a>(&'a self, space: &'a MemorySpace, key: &'a str) -> Looked<'a, Option<Payload>> {
        ready(self.of(space).remove(key))
    }

    fn taken<'a>(&'a self, space: &'a MemorySpace) -> Looked<'a, Room> {
        let all = self.of(space);
        let bytes = all.iter().map(|(key, value)| Room::of(key, value.len()).bytes).sum();
        ready(Room { keys: all.len() as u64, bytes })
    }

    fn taken_by<'a>(&'a self, space: &'a MemorySpace, key: &'a str) -> Looked<'a, Room> {
        ready(self.of(space).get(key).map(|value| Room::of(key, value.len())).unwrap_or_default())
    }

    fn keys<'a>(&'a self, space: &'a MemorySpace, wanted: Keys<'a>) -> Looked<'a, Vec<String>> {
        let fits =
            |key: &String| key.starts_with(wanted.prefix) && wanted.after.is_none_or(|after| key.as_str() > after);
        ready(self.of(space).into_keys().filter(fits).take(wanted.limit).collect())
    }

    fn find<'a>(&'a self, space: &'a MemorySpace, finder: &'a Finder, limit: usize) -> Looked<'a, Found> {
        let all = self.of(space);
        let mut found = Found { memories: all.len() as u64, having: vec![0; finder.words().len()], texts: Vec::new() };
        for (key, value) in all {
            let Some(text) = searched(&value) else { continue };
            let mut words = BTreeSet::new();
            each_word(&format!("{key} {text}"), |_, word| {
                words.insert(word.to_owned());
            });
            let has: Vec<_> = finder.words().iter().map(|word| words.contains(word)).collect();
            found.having.iter_mut().zip(&has).for_each(|(count, has)| *count += u64::from(*has));
            if has.contains(&true) && found.texts.len() < limit {
                found.texts.push((key, text.to_owned()));
            }
        }
        ready(found)
    }
}

/// A call of a guest to its memory: answered from the record where it is there, otherwise now, and recorded.
async fn ask<T>(
    job: &Job,
    operation: &'static str,
    about: String,
    live: impl Future<Output = Result<T, MemoryError>>,
    said: impl FnOnce(&T) -> String,
    again: impl FnOnce(&str) -> T,
) -> Result<T, Problem> {
    let fatal = |error: String| Problem::new(IncidentClass::Fatal, error);
    let recorded = job.recorder.replayed().filter(|action| action.operation == operation);
    let answer = match recorded {
        Some(Action { result: ActionResult::Failed { error }, .. }) => Err(error),
        Some(action) => Ok(again(&action.exchange.unwrap().answer)),
        None => live.await.map_err(|error| error.to_string()),
    };
    let said = answer.as_ref().map_or_else(|_| String::new(), said);
    let exchange = Exchange::answered(Digest::of(about.as_bytes()), said);
    let action = Action {
        number: 0,
        capability: Capability::Memory,
        operation: operation.into(),
        resource: about,
        detail: String::new(),
        calls: 1,
        bytes: Bytes(0),
        digest: None,
        exchange: Some(Box::new(exchange)),
        result: answer.as_ref().err().map_or(ActionResult::Ok, |error| ActionResult::Failed { error: error.clone() }),
    };
    job.recorder.record(AttemptEvent::Action(action)).map_err(|_| problem(IncidentClass::Fatal))?;
    answer.map_err(fatal)
}

pub(crate) async fn get(job: &Job, scope: MemoryScope, key: &str) -> Result<Option<String>, Problem> {
    let memory = &job.reach.memory;
    let said = |value: &Option<Payload>| serde_json::to_string(value).unwrap();
    let again = |answer: &str| serde_json::from_str(answer).unwrap();
    let value = ask(job, "get", format!("{scope} {key}"), memory.get(scope, key), said, again).await?;
    Ok(value.map(|value| value.text().unwrap().to_owned()))
}

pub(crate) async fn set(job: &Job, scope: MemoryScope, key: &str, value: impl AsRef<[u8]>) -> Result<(), Problem> {
    let (memory, value) = (&job.reach.memory, Payload::from(value.as_ref().to_vec()));
    let again = |_: &str| memory.put_again(scope, key, Some(value.clone()));
    let live = memory.set(scope, key, value.clone());
    ask(job, "set", format!("{scope} {key} {}", value.len()), live, |()| String::new(), again).await
}

pub(crate) async fn delete(job: &Job, scope: MemoryScope, key: &str) -> Result<bool, Problem> {
    let memory = &job.reach.memory;
    let again = |answer: &str| {
        let was_there = answer == "true";
        if was_there {
            memory.put_again(scope, key, None);
        }
        was_there
    };
    ask(job, "delete", format!("{scope} {key}"), memory.delete(scope, key), bool::to_string, again).await
}

pub(crate) async fn keys(job: &Job, scope: MemoryScope, wanted: Keys<'_>) -> Result<Vec<String>, Problem> {
    let live = job.reach.memory.keys(scope, wanted);
    let again = |answer: &str| serde_json::from_str(answer).unwrap();
    ask(job, "keys", format!("{scope} {wanted:?}"), live, |keys| serde_json::to_string(keys).unwrap(), again).await
}

pub(crate) async fn search(job: &Job, scope: MemoryScope, query: &str, limit: usize) -> Result<Vec<Hit>, Problem> {
    let live = job.reach.memory.search(scope, query, limit);
    let again = |answer: &str| serde_json::from_str(answer).unwrap();
    ask(job, "search", format!("{scope} {query}"), live, |hits| serde_json::to_string(hits).unwrap(), again).await
}
