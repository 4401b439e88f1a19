//! The writer's part of memory: makes of it what the entries of a batch say, in their transaction.

use super::change::{Change, Changes};
use super::row::{self, MemoryRow, NO_RUN, SpaceRow};
use super::words;
use crate::error::StoreError;
use crate::queue::About;
use crate::schema;
use longhaul_core::entry::Position;
use longhaul_core::memory::{MemoryScope, MemoryWrite, Room, searched};
use rusqlite::{Connection, OptionalExtension, Statement};
use std::path::Path;

/// The statements that change memory.
pub(crate) struct MemoryWriter<'c> {
    path: &'c Path,
    space: Statement<'c>,
    spaces: Statement<'c>,
    next_space: Statement<'c>,
    write_space: Statement<'c>,
    now: Statement<'c>,
    all: Statement<'c>,
    next: Statement<'c>,
    insert: Statement<'c>,
    update: Statement<'c>,
    delete: Statement<'c>,
    forget: Statement<'c>,
    index: Statement<'c>,
    unindex: Statement<'c>,
}

impl<'c> MemoryWriter<'c> {
    pub(crate) fn new(conn: &'c Connection, path: &'c Path) -> Result<Self, StoreError> {
        let prepare = |sql: &str| conn.prepare(sql).map_err(|e| StoreError::from_sql(path, "writing", e));
        let (space, memory) = (SpaceRow::COLUMNS, MemoryRow::COLUMNS);
        Ok(Self {
            path,
            space: prepare(&format!("SELECT {space} FROM spaces WHERE run = ?1 AND name = ?2"))?,
            spaces: prepare(&format!("SELECT {space} FROM spaces WHERE run = ?1"))?,
            next_space: prepare("SELECT coalesce(max(number), 0) + 1 FROM spaces")?,
            write_space: prepare(SpaceRow::WRITE)?,
            now: prepare(&format!("SELECT {memory} FROM memories WHERE space = ?1 AND key = ?2 AND until IS NULL"))?,
            all: prepare(&format!("SELECT {memory} FROM memories WHERE space = ?1"))?,
            next: prepare("SELECT coalesce(max(number), 0) + 1 FROM memories")?,
            insert: prepare(MemoryRow::INSERT)?,
            update: prepare(MemoryRow::UPDATE)?,
            delete: prepare("DELETE FROM memories WHERE number = ?1")?,
            forget: prepare("DELETE FROM memories WHERE until BETWEEN ?1 AND ?2")?,
            index: prepare("INSERT INTO memory_words (rowid, key, text) VALUES (?1, ?2, ?3)")?,
            unindex: prepare("DELETE FROM memory_words WHERE rowid = ?1")?,
        })
    }

    /// Makes a change.
    pub(crate) fn apply(&mut self, change: &Change) -> Result<(), StoreError> {
        let Change { about, what } = change;
        match what {
            Changes::Write { entry, task, writes, is_copy } => {
                let task = task.as_ref().map_or("", |task| task.as_str());
                let of = |scope| writes.iter().filter(move |write| write.scope == scope);
                for scope in MemoryScope::ALL {
                    let is_written = of(scope).next().is_some() && !(*is_copy && scope == MemoryScope::Workflow);
                    if is_written {
                        let mut space = self.space(about, scope, task)?;
                        of(scope).try_for_each(|write| self.write(&mut space, *entry, write))?;
                        space.write(&mut self.write_space).map_err(|e| self.failed(e))?;
                    }
                }
                Ok(())
            }
            Changes::GoBack { to } => self.go_back(about.number, *to),
            Changes::Forget { before } => {
                let first = schema::key(about.number, Position(0));
                self.forget.execute([first, *before]).map(drop).map_err(|e| self.failed(e))
            }
        }
    }

    /// A space, made where it is not there.
    fn space(&mut self, about: &About, scope: MemoryScope, task: &str) -> Result<SpaceRow, StoreError> {
        let (run, name) = match scope {
            MemoryScope::Workflow => (NO_RUN, row::name(scope, &about.workflow)),
            _ => (about.number, row::name(scope, task)),
        };
        let path = self.path;
        let failed = |e| StoreError::from_sql(path, "writing", e);
        let mut rows = self.space.query((run, &name)).map_err(failed)?;
        if let Some(row) = rows.next().map_err(failed)? {
            return SpaceRow::read(row, path);
        }
        drop(rows);
        let number = self.next_space.query_row([], |row| row.get(0)).map_err(failed)?;
        Ok(SpaceRow { number, run, name, taken: Room::default() })
    }

    fn write(&mut self, space: &mut SpaceRow, entry: i64, write: &MemoryWrite) -> Result<(), StoreError> {
        let path = self.path;
        let now = self.now.query_row((space.number, &write.key), |row| Ok(MemoryRow::read(row, path)));
        let now = now.optional().map_err(|e| self.failed(e))?.transpose()?;
        if let Some(now) = now {
            self.unindex(&now)?;
            take(&mut space.taken, now.taken());
            if space.run == NO_RUN {
                // What a workflow remembers has no past.
                self.delete.execute([now.number]).map_err(|e| self.failed(e))?;
            } else {
                self.update(&MemoryRow { until: Some(entry), ..now })?;
            }
        }
        let Some(value) = &write.value else { return Ok(()) };
        let number = self.next.query_row([], |row| row.get(0)).map_err(|e| self.failed(e))?;
        let (key, value) = (write.key.clone(), value.clone());
        let new = MemoryRow { number, space: space.number, key, since: entry, until: None, value };
        new.write(&mut self.insert).map_err(|e| self.failed(e))?;
        self.index(&new)?;
        add(&mut space.taken, new.taken());
        Ok(())
    }

    /// Gives a run the memory again that it had at the entry `to`.
    fn go_back(&mut self, run: i64, to: i64) -> Result<(), StoreError> {
        let path = self.path;
        let spaces = rows(&mut self.spaces, run, path, SpaceRow::read)?;
        for mut space in spaces {
            let mut taken = Room::default();
            let all = rows(&mut self.all, space.number, path, MemoryRow::read)?;
            // What came since goes first: no key has two values at a time.
            let (since, then): (Vec<_>, Vec<_>) = all.into_iter().partition(|memory| memory.since > to);
            for memory in since {
                if memory.until.is_none() {
                    self.unindex(&memory)?;
                }
                self.delete.execute([memory.number]).map_err(|e| self.failed(e))?;
            }
            for memory in then.into_iter().filter(|memory| memory.until.is_none_or(|until| until > to)) {
                add(&mut taken, memory.taken());
                if memory.until.is_some() {
                    let again = MemoryRow { until: None, ..memory };
                    self.update(&again)?;
                    self.index(&again)?;
                }
            }
            if space.taken != taken {
                space.taken = taken;
                space.write(&mut self.write_space).map_err(|e| self.failed(e))?;
            }
        }
        Ok(())
    }

    fn update(&mut self, memory: &MemoryRow) -> Result<(), StoreError> {
        memory.write(&mut self.update).map_err(|e| self.failed(e))
    }

    fn index(&mut self, memory: &MemoryRow) -> Result<(), StoreError> {
        let Some(text) = searched(&memory.value) else { return Ok(()) };
        let (key, text) = (words::indexed(memory.space, &memory.key), words::indexed(memory.space, text));
        self.index.execute((memory.number, key, text)).map(drop).map_err(|e| self.failed(e))
    }

    fn unindex(&mut self, memory: &MemoryRow) -> Result<(), StoreError> {
        match searched(&memory.value) {
            None => Ok(()),
            Some(_) => self.unindex.execute([memory.number]).map(drop).map_err(|e| self.failed(e)),
        }
    }

    fn failed(&self, error: rusqlite::Error) -> StoreError {
        StoreError::from_sql(self.path, "writing", error)
    }
}

/// All rows of a statement with one parameter.
fn rows<T>(
    statement: &mut Statement<'_>,
    of: i64,
    path: &Path,
    read: impl Fn(&rusqlite::Row<'_>, &Path) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let failed = |e| StoreError::from_sql(path, "reading", e);
    let mut rows = statement.query([of]).map_err(failed)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        all.push(read(row, path)?);
    }
    Ok(all)
}

fn add(sum: &mut Room, room: Room) {
    sum.keys += room.keys;
    sum.bytes += room.bytes;
}

fn take(sum: &mut Room, room: Room) {
    sum.keys = sum.keys.saturating_sub(room.keys);
    sum.bytes = sum.bytes.saturating_sub(room.bytes);
}
