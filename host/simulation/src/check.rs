//! What must hold of a run at rest, checked on the record and the workspace alone: neither the engine's report nor its memory is
//! asked.

use crate::ground::Ground;
use longhaul_core::digest::{Digest, Hasher};
use longhaul_core::entry::{Entry, Record};
use longhaul_core::memory::{Keys, MemoryScope, MemorySpace};
use longhaul_core::payload::Payload;
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::Timestamp;
use longhaul_core::workflow::parse::parse;
use longhaul_engine::History;
use longhaul_engine::ports::{Query, Records};
use longhaul_store::{MemoryReader, Reader, StateLock};
use longhaul_wiring::{Place, RecordsPort, WorkspacePort};
use longhaul_workspace::VersionId;
use std::collections::{BTreeMap, HashSet};
use std::error::Error;

/// What the record of a run at rest says.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) history: History,
    pub(crate) incidents: u64,
    pub(crate) entries: u64,
    /// The digest of all records.
    pub(crate) digest: Digest,
    /// Tasks with the number of times that they were completed.
    pub(crate) tasks: BTreeMap<String, u32>,
}

/// A rule that does not hold, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) String);

fn unreadable(error: impl Error) -> Broken {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Broken(text)
}

/// Reads the whole record, entry by entry, and holds it against the rules that every record keeps.
pub(crate) fn record(ground: &Ground) -> Result<Told, Broken> {
    let records = RecordsPort::new(Reader::open(&ground.state).map_err(unreadable)?);
    let history = History::read(&records, &ground.run).map_err(unreadable)?;
    let mut fold = Fold::default();
    each(&records, ground, |position, record| fold.add(position, record))?;
    memory(ground, &fold.memory)?;
    let Fold { incidents, entries, version, states, tasks, hasher, .. } = fold;
    if version != Some(history.version()) {
        return Err(Broken("the history ends with another version than the record's commits".to_owned()));
    }
    for standing in history.standing() {
        if states.get(standing.task.as_str()) != Some(&standing.state) {
            return Err(Broken(format!("the history has `{}` as {}", standing.task, standing.state)));
        }
    }
    Ok(Told { history, incidents, entries, digest: hasher.finish(), tasks })
}

/// Holds what the run remembers against what its record makes of it.
fn memory(ground: &Ground, expected: &BTreeMap<String, Payload>) -> Result<(), Broken> {
    let mut reader = MemoryReader::open(&ground.state).map_err(unreadable)?;
    let space = MemorySpace::Run(ground.run.clone());
    let all = Keys { prefix: "", after: None, limit: usize::MAX };
    let mut found = BTreeMap::new();
    for key in reader.keys(&space, all).map_err(unreadable)? {
        found.extend(reader.get(&space, &key).map_err(unreadable)?.map(|value| (key, value)));
    }
    match found == *expected {
        true => Ok(()),
        false => Err(Broken(format!("the run remembers {found:?}, and its record says {expected:?}"))),
    }
}

/// Shows each record to `see`, page by page.
pub(crate) fn each(
    records: &dyn Records,
    ground: &Ground,
    mut see: impl FnMut(u64, &Record) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let mut query = Query { details: true, ..Query::default() };
    loop {
        let page = records.read(&ground.run, &query).map_err(unreadable)?;
        let Some((newest, _)) = page.last() else { return Ok(()) };
        query.after = Some(*newest);
        for (position, record) in &page {
            see(position.0, record)?;
        }
    }
}

#[derive(Default)]
struct Fold {
    entries: u64,
    incidents: u64,
    last: Timestamp,
    version: Option<Digest>,
    versions: HashSet<Digest>,
    states: BTreeMap<String, TaskState>,
    tasks: BTreeMap<String, u32>,
    hasher: Hasher,
    memory: BTreeMap<String, Payload>,
    /// What the run remembered at its checkpoints.
    then: BTreeMap<u32, BTreeMap<String, Payload>>,
}

impl Fold {
    fn add(&mut self, position: u64, record: &Record) -> Result<(), Broken> {
        let broken = |what: String| Err(Broken(format!("entry {position} of the record: {what}")));
        if position != self.entries {
            return broken(format!("it follows entry {}", self.entries));
        }
        self.entries += 1;
        if record.at < self.last {
            return broken("its time is before that of the one before".to_owned());
        }
        self.last = record.at;
        self.hasher.update(serde_json::to_string(record).map_err(unreadable)?.as_bytes());
        let task = record.task.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Entry::Committed { published, .. } | Entry::Published(published) = &record.entry {
            for write in published.memory.iter().filter(|write| write.scope == MemoryScope::Run) {
                self.memory.remove(&write.key);
                self.memory.extend(write.value.clone().map(|value| (write.key.clone(), value)));
            }
        }
        match &record.entry {
            Entry::Checkpointed { number, .. } => {
                self.then.insert(*number, self.memory.clone());
            }
            Entry::RolledBack { number, .. } => {
                self.memory = self.then.get(number).cloned().unwrap_or_default();
            }
            Entry::RunStarted { base, .. } => {
                self.version = Some(*base);
                self.versions.insert(*base);
            }
            Entry::Committed { base, version, .. } => {
                if self.version != Some(*base) {
                    return broken("a commit on top of something else than the one before".to_owned());
                }
                if !self.versions.insert(*version) {
                    return broken("a commit that was made before".to_owned());
                }
                self.version = Some(*version);
            }
            Entry::TaskPlanned { .. } => {
                if self.states.insert(task.clone(), TaskState::Pending).is_some() {
                    return broken(format!("`{task}` is planned a second time"));
                }
                self.tasks.insert(task, 0);
            }
            Entry::TaskChanged { from, to } => {
                let before = self.states.insert(task.clone(), *to);
                if before != Some(*from) {
                    return broken(format!("`{task}` was {before:?} and not {from}"));
                }
                *self.tasks.entry(task).or_default() += u32::from(*to == TaskState::Completed);
            }
            Entry::IncidentRaised { .. } => self.incidents += 1,
            _ => {}
        }
        Ok(())
    }
}

/// Holds a completed run against the result of the undisturbed one.
pub(crate) fn completed(ground: &Ground, told: &Told, expected: &BTreeMap<String, Digest>) -> Result<(), Broken> {
    if told.history.state != RunState::Completed {
        return Err(Broken(format!("the record ends with the run {}", told.history.state)));
    }
    for (task, times) in &told.tasks {
        if *times != 1 {
            return Err(Broken(format!("`{task}` was completed {times} times")));
        }
    }
    let found = ground.content().map_err(unreadable)?;
    if found != *expected {
        let differs = |path: &&String| found.get(*path) != expected.get(*path);
        let paths: Vec<_> = expected.keys().chain(found.keys()).filter(differs).take(5).collect();
        return Err(Broken(format!("the result is another one than that of an undisturbed run: {paths:?}")));
    }
    disk(ground, told)
}

/// Nothing is left in the state folder beside what is needed, within what checkpoints may take.
fn disk(ground: &Ground, told: &Told) -> Result<(), Broken> {
    for folder in ["stages", "tmp"] {
        let left = std::fs::read_dir(ground.state.join(folder)).map_err(unreadable)?.count();
        if left > 0 {
            return Err(Broken(format!("{left} files are left in `{folder}`")));
        }
    }
    let objects = crate::workspace::size_of(&ground.state.join("objects"));
    let newest = told.history.kept().last().map(|checkpoint| checkpoint.version);
    let needed = [Some(told.history.base()), Some(told.history.version()), newest].into_iter().flatten();
    let needed: Vec<_> = needed.map(VersionId).collect();
    let least = opened(ground)?.inner().collect(&needed, 0).map_err(unreadable)?.bytes;
    let most = parse("simulated", &ground.source).map_err(unreadable)?.checkpoints.max_disk.0;
    if objects > most.max(least) {
        return Err(Broken(format!("{objects} bytes of content are kept, {least} are needed and {most} are allowed")));
    }
    Ok(())
}

/// Reads every file of the versions that a run needs which waits for a person.
pub(crate) fn kept(ground: &Ground, told: &Told) -> Result<(), Broken> {
    let port = opened(ground)?;
    let workspace = port.inner();
    let empty = workspace.empty().map_err(unreadable)?;
    for version in told.history.needed() {
        let version = VersionId(version);
        for change in workspace.diff(empty, version).map_err(unreadable)? {
            if let Some(digest) = change.digest {
                let bytes = workspace.read_file(version, &change.path).map_err(unreadable)?;
                if Digest::of(&bytes) != digest {
                    return Err(Broken(format!("`{}` of a kept version is damaged", change.path.as_str())));
                }
            }
        }
    }
    Ok(())
}

fn opened(ground: &Ground) -> Result<WorkspacePort, Broken> {
    let lock = StateLock::acquire(&ground.state, Timestamp(0), "simulation").map_err(unreadable)?;
    let workflow = parse("simulated", &ground.source).map_err(unreadable)?;
    WorkspacePort::open(&ground.root, &lock, &workflow.workspace, Place::Inline).map_err(unreadable)
}
