//! [`MemoryReader`]: what is remembered, as the durable entries of the journal make it.

use super::row::{MemoryRow, NO_RUN, SpaceRow, name_of};
use super::words;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::schema;
use longhaul_core::id::RunId;
use longhaul_core::memory::{Finder, Found, Keys, MemorySpace, Room, searched};
use longhaul_core::payload::Payload;
use rusqlite::{OptionalExtension, Params};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// How many memories a search looks at: those with the rarest words of the query, as many of these as fit. What has nothing but words that
/// nearly all have fits little.
const MAX_LOOKED_AT: u64 = 20_000;

/// Reads memory. It needs no lock and never writes.
pub struct MemoryReader {
    reader: Reader,
    /// The numbers of runs.
    runs: HashMap<RunId, i64>,
    /// The spaces that were found to be whole.
    checked: HashSet<i64>,
}

impl MemoryReader {
    /// Opens the memory of a state folder.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { reader: Reader::open(folder)?, runs: HashMap::new(), checked: HashSet::new() })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub fn get(&mut self, space: &MemorySpace, key: &str) -> Result<Option<Payload>, StoreError> {
        let Some(space) = self.space(space)? else { return Ok(None) };
        let sql =
            format!("SELECT {} FROM memories WHERE space = ?1 AND key = ?2 AND until IS NULL", MemoryRow::COLUMNS);
        self.one(&sql, (space.number, key), |row, path| Ok(MemoryRow::read(row, path)?.value))
    }

    /// What all memories of a space take.
    ///
    /// # Errors
    /// [`StoreError`] where they cannot be read.
    pub fn taken(&mut self, space: &MemorySpace) -> Result<Room, StoreError> {
        Ok(self.space(space)?.map(|space| space.taken).unwrap_or_default())
    }

    /// What one of them takes: nothing where it is not there.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub fn taken_by(&mut self, space: &MemorySpace, key: &str) -> Result<Room, StoreError> {
        let Some(space) = self.space(space)? else { return Ok(Room::default()) };
        let sql = "SELECT length(value) FROM memories WHERE space = ?1 AND key = ?2 AND until IS NULL";
        let length = self.one(sql, (space.number, key), |row, path| {
            row.get::<_, i64>(0).map_err(|e| StoreError::from_sql(path, "reading", e))
        })?;
        Ok(length.map(|length| Room::of(key, usize::try_from(length).unwrap_or_default())).unwrap_or_default())
    }

    /// Keys in the order of their bytes.
    ///
    /// # Errors
    /// [`StoreError`] where they cannot be read.
    pub fn keys(&mut self, space: &MemorySpace, wanted: Keys<'_>) -> Result<Vec<String>, StoreError> {
        let Some(space) = self.space(space)? else { return Ok(Vec::new()) };
        let Keys { prefix, after, limit } = wanted;
        // The text from which on is looked, which is not wanted itself where it is the key before.
        let (from, not) = match after {
            Some(after) if after >= prefix => (after, after),
            _ => (prefix, ""),
        };
        let sql =
            "SELECT key FROM memories WHERE space = ?1 AND key >= ?2 AND key <> ?3 AND until IS NULL ORDER BY key";
        let failed = |e| self.reader.failed(e);
        let mut statement = self.reader.conn.prepare(sql).map_err(failed)?;
        let mut rows = statement.query((space.number, from, not)).map_err(failed)?;
        let mut keys: Vec<String> = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let key: String = row.get(0).map_err(failed)?;
            // Those that begin so stand together.
            if keys.len() >= limit || !key.starts_with(prefix) {
                break;
            }
            keys.push(key);
        }
        Ok(keys)
    }

    /// Memories that have a word of a query, `limit` of those that may fit best.
    ///
    /// # Errors
    /// [`StoreError`] where they cannot be read.
    pub fn find(&mut self, space: &MemorySpace, finder: &Finder, limit: usize) -> Result<Found, StoreError> {
        let having = vec![0; finder.words().len()];
        let Some(space) = self.space(space)? else { return Ok(Found { having, ..Found::default() }) };
        let mut found = Found { memories: space.taken.keys, having, texts: Vec::new() };
        if finder.words().is_empty() {
            return Ok(found);
        }
        let failed = |e| self.reader.failed(e);
        let mut count = self.reader.conn.prepare("SELECT doc FROM memory_terms WHERE term = ?1").map_err(failed)?;
        for (having, word) in found.having.iter_mut().zip(finder.words()) {
            let counted = count.query_row([words::term(space.number, word)], |row| row.get::<_, i64>(0)).optional();
            *having = counted.map_err(failed)?.unwrap_or_default().cast_unsigned();
        }
        let sql = format!(
            "SELECT {} FROM memories WHERE number IN (
                SELECT rowid FROM memory_words WHERE memory_words MATCH ?1 AND rank MATCH 'bm25(3.0, 1.0)' ORDER BY rank LIMIT ?2)",
            MemoryRow::COLUMNS
        );
        let mut statement = self.reader.conn.prepare(&sql).map_err(failed)?;
        let rare = rarest(finder.words(), &found.having, limit as u64);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query((words::query(space.number, &rare), limit)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let memory = MemoryRow::read(row, &self.reader.path)?;
            // The index is no more than a hint: what it leads to says itself whose it is.
            if memory.space == space.number
                && memory.until.is_none()
                && let Some(text) = searched(&memory.value)
            {
                let text = text.to_owned();
                found.texts.push((memory.key, text));
            }
        }
        Ok(found)
    }

    /// The space as it is now, which is whole; none where nothing was ever remembered there.
    fn space(&mut self, space: &MemorySpace) -> Result<Option<SpaceRow>, StoreError> {
        if self.reader.schema < schema::REMEMBERING {
            return Ok(None);
        }
        let run = match space {
            MemorySpace::Task(run, _) | MemorySpace::Run(run) => match self.run(run)? {
                Some(number) => number,
                None => return Ok(None),
            },
            MemorySpace::Workflow(_) => NO_RUN,
        };
        let name = name_of(space);
        // What it counts and what there is are of one moment.
        let conn = &self.reader.conn;
        let _moment = conn.unchecked_transaction().map_err(|e| self.reader.failed(e))?;
        let sql = format!("SELECT {} FROM spaces WHERE run = ?1 AND name = ?2", SpaceRow::COLUMNS);
        let Some(found) = self.one(&sql, (run, &name), SpaceRow::read)? else {
            return match self.spaces()?.iter().all(|row| (row.run, &row.name) != (run, &name)) {
                true => Ok(None),
                false => Err(self.reader.damage("the index of its memory's spaces does not fit them")),
            };
        };
        if (found.run, &found.name) != (run, &name) {
            return Err(self.reader.damage("the index of its memory's spaces does not fit them"));
        }
        if !self.checked.contains(&found.number) {
            self.check(&found)?;
            self.checked.insert(found.number);
        }
        Ok(Some(found))
    }

    fn run(&mut self, run: &RunId) -> Result<Option<i64>, StoreError> {
        if let Some(number) = self.runs.get(run) {
            return Ok(Some(*number));
        }
        let Some(found) = self.reader.find(run)? else { return Ok(None) };
        self.runs.insert(run.clone(), found.number);
        Ok(Some(found.number))
    }

    /// All spaces. None is ever removed, so their numbers have no gaps.
    fn spaces(&self) -> Result<Vec<SpaceRow>, StoreError> {
        let failed = |e| self.reader.failed(e);
        let sql = format!("SELECT {} FROM spaces ORDER BY number", SpaceRow::COLUMNS);
        let mut statement = self.reader.conn.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let space = SpaceRow::read(row, &self.reader.path)?;
            if usize::try_from(space.number) != Ok(all.len() + 1) {
                return Err(self.reader.damage("a space of its memory is gone"));
            }
            all.push(space);
        }
        let sql = "SELECT coalesce(max(space), 0) FROM memories WHERE until IS NULL";
        let last: i64 = self.reader.conn.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
        match usize::try_from(last).is_ok_and(|last| last <= all.len()) {
            true => Ok(all),
            false => Err(self.reader.damage("a space of its memory is gone")),
        }
    }

    /// Whether all that a space holds is as it was written, and can be found by its key.
    fn check(&self, space: &SpaceRow) -> Result<(), StoreError> {
        let failed = |e| self.reader.failed(e);
        let columns = MemoryRow::COLUMNS;
        let sql = format!("SELECT {columns} FROM memories WHERE space = ?1 AND until IS NULL ORDER BY key");
        let mut statement = self.reader.conn.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query([space.number]).map_err(failed)?;
        let (mut taken, mut before) = (Room::default(), None);
        while let Some(row) = rows.next().map_err(failed)? {
            let memory = MemoryRow::read(row, &self.reader.path)?;
            let room = memory.taken();
            let is_next = before.as_ref().is_none_or(|before| *before < memory.key);
            if memory.space != space.number || memory.until.is_some() || !is_next {
                return Err(self.reader.damage("the index of its memory does not fit it"));
            }
            taken = Room { keys: taken.keys + room.keys, bytes: taken.bytes + room.bytes };
            before = Some(memory.key);
        }
        match taken == space.taken {
            true => Ok(()),
            false => Err(self.reader.damage("a memory is gone")),
        }
    }

    fn one<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnOnce(&rusqlite::Row<'_>, &Path) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let failed = |e| self.reader.failed(e);
        let mut statement = self.reader.conn.prepare(sql).map_err(failed)?;
        let mut rows = statement.query(parameters).map_err(failed)?;
        rows.next().map_err(failed)?.map(|row| read(row, &self.reader.path)).transpose()
    }
}

/// The words that the fewest memories have, up to [`MAX_LOOKED_AT`] of these, and `wanted` in any case.
fn rarest<'a>(words: &'a [String], having: &[u64], wanted: u64) -> Vec<&'a str> {
    let mut words: Vec<(u64, &str)> = having.iter().copied().zip(words.iter().map(String::as_str)).collect();
    words.sort_by_key(|(having, _)| *having);
    let mut looked_at = 0_u64;
    let fits = |(having, _): &(u64, &str)| {
        let is_enough = looked_at >= wanted;
        looked_at = looked_at.saturating_add(*having);
        !is_enough || looked_at <= MAX_LOOKED_AT
    };
    words.into_iter().take_while(fits).map(|(_, word)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_are_left_out_where_rarer_ones_are_enough() {
        let words = ["the", "build", "is", "slow", "nowhere"].map(str::to_owned);
        assert_eq!(rarest(&words, &[90_000, 300, 80_000, 19_000, 0], 10), ["nowhere", "build", "slow"]);
        assert_eq!(rarest(&words[..1], &[90_000], 10), ["the"]);
        assert_eq!(rarest(&words[..3], &[90_000, 3, 80_000], 10), ["build", "is"]);
    }
}
