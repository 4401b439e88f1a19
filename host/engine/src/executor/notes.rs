//! What one attempt has written to memory and not published yet, and what it sees of memory meanwhile: its own writes over those
//! that are published.

use super::desk::Desk;
use crate::ports::{JournalError, Memories, MemoryFailed};
use crate::transcript::{Fault, told};
use longhaul_core::memory::{
    Finder, Hit, Keys, MAX_HELD, MAX_HITS, MAX_KEY, MAX_KEYS, MAX_QUERY, MAX_VALUE, MAX_WRITES, Memory, MemoryError,
    MemoryScope, MemorySpace, MemoryWrite, Remembered, Room,
};
use longhaul_core::payload::Payload;
use longhaul_core::reach::ServiceError;
use longhaul_core::units::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many more than it wants a search looks at, because the attempt has written over them: each may have 32 KiB.
const MAX_HIDDEN: usize = 200;

/// The writes of one attempt, the last one to each key.
#[derive(Default)]
pub(super) struct Notes {
    writes: BTreeMap<(MemoryScope, String), Note>,
    bytes: u64,
}

struct Note {
    value: Option<Payload>,
    /// What the published memory under the key takes; none where nobody has looked.
    before: Option<Room>,
}

impl Notes {
    /// The writes, as they are published.
    pub(super) fn writes(&self) -> Vec<MemoryWrite> {
        let write = |((scope, key), note): (&(MemoryScope, String), &Note)| MemoryWrite {
            scope: *scope,
            key: key.clone(),
            value: note.value.clone(),
        };
        self.writes.iter().map(write).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    fn get(&self, scope: MemoryScope, key: &str) -> Option<Option<Payload>> {
        self.writes.get(&(scope, key.to_owned())).map(|note| note.value.clone())
    }

    fn put(&mut self, scope: MemoryScope, key: &str, value: Option<Payload>) {
        let taken = |value: &Option<Payload>| Room::of(key, value.as_ref().map_or(0, Payload::len)).bytes;
        self.bytes += taken(&value);
        let known = self.writes.remove(&(scope, key.to_owned()));
        let before = known.and_then(|known| {
            self.bytes -= taken(&known.value);
            known.before
        });
        self.writes.insert((scope, key.to_owned()), Note { value, before });
    }

    /// What all writes take at most.
    fn most(&self) -> Room {
        Room { keys: self.writes.len() as u64, bytes: self.bytes }
    }

    /// The writes to one scope.
    fn of(&self, scope: MemoryScope) -> impl Iterator<Item = (&str, &Note)> {
        let writes = self.writes.range((scope, String::new())..);
        writes.take_while(move |((of, _), _)| *of == scope).map(|((_, key), note)| (key.as_str(), note))
    }

    /// What the writes to a scope take, with what they take the place of, as far as that is known.
    fn taken(&self, scope: MemoryScope) -> (Room, Room) {
        let (mut now, mut before) = (Room::default(), Room::default());
        for (key, note) in self.of(scope) {
            if let Some(value) = &note.value {
                add(&mut now, Room::of(key, value.len()));
            }
            add(&mut before, note.before.unwrap_or_default());
        }
        (now, before)
    }
}

fn add(sum: &mut Room, room: Room) {
    sum.keys += room.keys;
    sum.bytes += room.bytes;
}

/// Whether what was published can be read: what stands in the record and is not durable yet cannot.
#[derive(Debug, Default)]
pub(crate) struct Readable {
    published: AtomicU64,
    durable: AtomicU64,
}

impl Readable {
    /// Something was published, and nobody waits for it to be durable.
    pub(super) fn published(&self) {
        self.published.fetch_add(1, Ordering::AcqRel);
    }

    async fn wait(&self, desk: &Desk) -> Result<(), JournalError> {
        let published = self.published.load(Ordering::Acquire);
        if self.durable.load(Ordering::Acquire) < published {
            desk.shared.ledger.flush().await?;
            self.durable.fetch_max(published, Ordering::AcqRel);
        }
        Ok(())
    }
}

impl Desk {
    fn space(&self, scope: MemoryScope) -> MemorySpace {
        let shared = &self.shared;
        match scope {
            MemoryScope::Task => MemorySpace::Task(shared.run.clone(), self.attempt.task.clone()),
            MemoryScope::Run => MemorySpace::Run(shared.run.clone()),
            MemoryScope::Workflow => MemorySpace::Workflow(shared.workflow.clone()),
        }
    }

    /// What everybody has published.
    async fn published_memory(&self) -> Result<&dyn Memories, MemoryError> {
        self.shared.readable.wait(self).await.map_err(|error| told(Fault::from(error)))?;
        Ok(self.shared.ports.memories.as_ref())
    }

    fn noted(&self, scope: MemoryScope, key: &str) -> Option<Option<Payload>> {
        self.lock().notes.get(scope, key)
    }

    async fn read(&self, scope: MemoryScope, key: &str) -> Result<Option<Payload>, MemoryError> {
        check_key(key)?;
        if let Some(noted) = self.noted(scope, key) {
            return Ok(noted);
        }
        Ok(self.published_memory().await?.get(&self.space(scope), key).await?)
    }

    async fn write(&self, scope: MemoryScope, key: &str, value: Payload) -> Result<(), MemoryError> {
        check_key(key)?;
        let size = value.len();
        if size > MAX_VALUE {
            return exhausted(format!("`value` has {}, and a memory has {} at most", shown(size), shown(MAX_VALUE)));
        }
        {
            let notes = &self.lock().notes;
            if notes.writes.len() >= MAX_WRITES && notes.get(scope, key).is_none() {
                return exhausted(format!(
                    "the attempt holds back {MAX_WRITES} writes to memory, and more it cannot; commit them with a checkpoint"
                ));
            }
            if notes.bytes + Room::of(key, size).bytes > MAX_HELD as u64 {
                return exhausted(format!(
                    "the attempt's writes to memory would have more than {} together; commit them with a checkpoint",
                    shown(MAX_HELD)
                ));
            }
        }
        self.admit(scope, key, size).await?;
        self.lock().notes.put(scope, key, Some(value));
        Ok(())
    }

    /// Fails where a value of this size would have no room in its scope. What other attempts hold back does not count.
    async fn admit(&self, scope: MemoryScope, key: &str, size: usize) -> Result<(), MemoryError> {
        let (space, quota) = (self.space(scope), scope.quota());
        let memories = self.published_memory().await?;
        let mut whole = memories.taken(&space).await?;
        add(&mut whole, Room::of(key, size));
        let most = self.lock().notes.most();
        if whole.keys + most.keys <= quota.keys && whole.bytes + most.bytes <= quota.bytes {
            return Ok(());
        }
        // It may take the place of others; what they take is looked at once.
        let unknown: Vec<String> = {
            let held = self.lock();
            held.notes.of(scope).filter(|(_, note)| note.before.is_none()).map(|(key, _)| key.to_owned()).collect()
        };
        for known in &unknown {
            let before = memories.taken_by(&space, known).await?;
            if let Some(note) = self.lock().notes.writes.get_mut(&(scope, known.clone())) {
                note.before = Some(before);
            }
        }
        let (now, mut before) = self.lock().notes.taken(scope);
        add(&mut whole, now);
        match self.noted(scope, key) {
            Some(Some(noted)) => add(&mut before, Room::of(key, noted.len())),
            Some(None) => {}
            None => add(&mut before, memories.taken_by(&space, key).await?),
        }
        let (keys, bytes) = (whole.keys.saturating_sub(before.keys), whole.bytes.saturating_sub(before.bytes));
        if keys <= quota.keys && bytes <= quota.bytes {
            return Ok(());
        }
        exhausted(format!(
            "the memory of scope `{scope}` has room for {} keys and {}, and would have {keys} keys and {} with this one; \
             delete what is not needed any more",
            quota.keys,
            Bytes(quota.bytes),
            Bytes(bytes)
        ))
    }

    async fn remove(&self, scope: MemoryScope, key: &str) -> Result<bool, MemoryError> {
        check_key(key)?;
        let was_there = match self.noted(scope, key) {
            Some(noted) => noted.is_some(),
            None => self.published_memory().await?.taken_by(&self.space(scope), key).await?.keys > 0,
        };
        if was_there {
            let mut held = self.lock();
            if held.notes.writes.len() >= MAX_WRITES && held.notes.get(scope, key).is_none() {
                return exhausted(format!(
                    "the attempt holds back {MAX_WRITES} writes to memory, and more it cannot; commit them with a checkpoint"
                ));
            }
            held.notes.put(scope, key, None);
        }
        Ok(was_there)
    }

    async fn list(&self, scope: MemoryScope, wanted: Keys<'_>) -> Result<Vec<String>, MemoryError> {
        let Keys { prefix, after, limit } = wanted;
        let limit = limit.min(MAX_KEYS);
        if prefix.len() > MAX_KEY || after.is_some_and(|after| after.len() > MAX_KEY) {
            return invalid(format!("`prefix` and `after` have {MAX_KEY} bytes at most, as keys do"));
        }
        let noted: BTreeMap<String, bool> = {
            let held = self.lock();
            let wanted = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
            let noted = held.notes.of(scope).filter(|(key, _)| wanted(key));
            noted.map(|(key, note)| (key.to_owned(), note.value.is_some())).collect()
        };
        // Of those that are published some may be gone.
        let gone = noted.values().filter(|is_there| !**is_there).count();
        let page = Keys { limit: limit + gone, ..wanted };
        let mut keys = self.published_memory().await?.keys(&self.space(scope), page).await?;
        keys.retain(|key| !noted.contains_key(key));
        keys.extend(noted.into_iter().filter(|(_, is_there)| *is_there).map(|(key, _)| key));
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    async fn find(&self, scope: MemoryScope, query: &str, limit: usize) -> Result<Vec<Hit>, MemoryError> {
        if query.len() > MAX_QUERY {
            return invalid(format!("`query` has {}, and {} are the most", shown(query.len()), shown(MAX_QUERY)));
        }
        let (finder, limit) = (Finder::new(query), limit.min(MAX_HITS));
        if finder.words().is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let hidden = self.lock().notes.of(scope).count().min(MAX_HIDDEN);
        let memories = self.published_memory().await?;
        let found = memories.find(&self.space(scope), &finder, limit + hidden).await?;
        let held = self.lock();
        let noted = held.notes.of(scope).map(|(key, note)| (key, note.value.as_ref()));
        Ok(finder.rank(found, noted, limit))
    }
}

impl Memory for Desk {
    fn get<'a>(&'a self, scope: MemoryScope, key: &'a str) -> Remembered<'a, Option<Payload>> {
        Box::pin(self.read(scope, key))
    }

    fn set<'a>(&'a self, scope: MemoryScope, key: &'a str, value: Payload) -> Remembered<'a, ()> {
        Box::pin(self.write(scope, key, value))
    }

    fn delete<'a>(&'a self, scope: MemoryScope, key: &'a str) -> Remembered<'a, bool> {
        Box::pin(self.remove(scope, key))
    }

    fn put_again(&self, scope: MemoryScope, key: &str, value: Option<Payload>) {
        self.lock().notes.put(scope, key, value);
    }

    fn keys<'a>(&'a self, scope: MemoryScope, wanted: Keys<'a>) -> Remembered<'a, Vec<String>> {
        Box::pin(self.list(scope, wanted))
    }

    fn search<'a>(&'a self, scope: MemoryScope, query: &'a str, limit: usize) -> Remembered<'a, Vec<Hit>> {
        Box::pin(self.find(scope, query, limit))
    }
}

fn check_key(key: &str) -> Result<(), MemoryError> {
    if key.is_empty() || key.len() > MAX_KEY {
        return invalid(format!("`key` has {} bytes; a key has 1 to {MAX_KEY}", key.len()));
    }
    if key.chars().any(char::is_control) {
        return invalid("`key` has a control character in it".to_owned());
    }
    Ok(())
}

fn invalid<T>(reason: String) -> Result<T, MemoryError> {
    Err(ServiceError::Invalid(reason).into())
}

fn exhausted<T>(reason: String) -> Result<T, MemoryError> {
    Err(ServiceError::Exhausted(reason).into())
}

impl From<MemoryFailed> for MemoryError {
    fn from(MemoryFailed(reason): MemoryFailed) -> Self {
        ServiceError::Failed(reason).into()
    }
}

fn shown(bytes: usize) -> Bytes {
    Bytes(bytes as u64)
}
