//! The database file: how it is opened, what is in it, how an older one is brought up to date.
//!
//! An entry's key is one integer, the run's number in the upper bits and the position in the lower: entries of a run lie
//! side by side in the order they were made, a position can be taken only once, and an append goes to the end of
//! its run without a second index.

use crate::error::StoreError;
use crate::row;
use longhaul_core::entry::Position;
use rusqlite::{Connection, OpenFlags};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The journal's file within a state folder.
pub const JOURNAL_FILE: &str = "journal.db";

/// Says that a SQLite file is a journal of Longhaul: `LHJ1`.
const APPLICATION_ID: i64 = 0x4C48_4A31;
/// How long a connection waits for another one's short transaction.
const BUSY: Duration = Duration::from_secs(5);
/// Bits of a key that hold the position: 10¹² entries a run, 8 million runs.
const POSITION_BITS: u32 = 40;
/// The greatest position that a key can hold.
pub(crate) const MAX_POSITION: u64 = (1 << POSITION_BITS) - 1;
/// The greatest number of a run that a key can hold.
pub(crate) const MAX_RUN: i64 = (1 << (63 - POSITION_BITS)) - 1;

/// One step for each schema version, the first from an empty file. Steps that were released are never changed.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE runs (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        workflow TEXT NOT NULL,
        started INTEGER NOT NULL,
        state TEXT,
        ended INTEGER,
        summary TEXT NOT NULL
    ) STRICT;
    CREATE TABLE entries (
        key INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        task TEXT,
        attempt INTEGER,
        capability TEXT,
        denied INTEGER NOT NULL,
        format INTEGER NOT NULL,
        blob BLOB REFERENCES blobs (digest),
        body BLOB,
        CHECK ((blob IS NULL) <> (body IS NULL))
    ) STRICT;
    CREATE INDEX denials ON entries (key) WHERE denied = 1;
    CREATE TABLE blobs (digest BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE closing (clean INTEGER NOT NULL) STRICT;
    INSERT INTO closing VALUES (1);
    CREATE VIEW journal AS
        SELECT r.id AS run, e.key & 1099511627775 AS position, e.at, e.kind, e.task, e.attempt, e.capability, e.denied,
               CAST(coalesce(e.body, (SELECT bytes FROM blobs WHERE digest = e.blob)) AS TEXT) AS body
        FROM runs AS r JOIN entries AS e ON e.key BETWEEN r.number << 40 AND (r.number << 40) | 1099511627775;
",
    "
    ALTER TABLE entries ADD COLUMN sum INTEGER;
    ALTER TABLE runs ADD COLUMN unsummed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN sum INTEGER;
    UPDATE runs SET unsummed = coalesce((
        SELECT max(key) & 1099511627775 FROM entries WHERE key BETWEEN number << 40 AND (number << 40) | 1099511627775
    ) + 1, 0);
    CREATE TABLE lease (
        epoch INTEGER NOT NULL,
        runs INTEGER NOT NULL,
        clean INTEGER NOT NULL,
        sum INTEGER NOT NULL
    ) STRICT;
    INSERT INTO lease SELECT 0, (SELECT count(*) FROM runs), clean, 0 FROM closing;
    DROP TABLE closing;
    DROP INDEX denials;
",
    "
    CREATE TABLE spaces (
        number INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        name TEXT NOT NULL,
        keys INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        sum INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX space_of ON spaces (run, name);
    CREATE TABLE memories (
        number INTEGER PRIMARY KEY,
        space INTEGER NOT NULL,
        key TEXT NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER,
        sum INTEGER NOT NULL,
        value BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX memory_now ON memories (space, key) WHERE until IS NULL;
    CREATE INDEX memory_then ON memories (until) WHERE until IS NOT NULL;
    CREATE INDEX memory_of ON memories (space);
    CREATE VIRTUAL TABLE memory_words USING fts5 (
        key, text, content = '', contentless_delete = 1, tokenize = 'ascii'
    );
    CREATE VIRTUAL TABLE memory_terms USING fts5vocab (memory_words, row);
",
    "
    CREATE TABLE heads (
        record INTEGER NOT NULL,
        size INTEGER NOT NULL,
        note BLOB NOT NULL,
        sum INTEGER NOT NULL,
        PRIMARY KEY (record, size)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE edges (
        record INTEGER PRIMARY KEY,
        size INTEGER NOT NULL,
        root BLOB NOT NULL,
        edge BLOB NOT NULL,
        sum INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE log (
        position INTEGER PRIMARY KEY,
        body BLOB NOT NULL,
        sum INTEGER NOT NULL
    ) STRICT;
",
];
/// The first schema whose rows carry sums.
pub(crate) const SUMMED: usize = 2;
/// The first schema with memory.
pub(crate) const REMEMBERING: usize = 3;
/// The first schema with signed heads.
pub(crate) const SEALED: usize = 4;

/// The key of an entry.
pub(crate) fn key(run: i64, position: Position) -> i64 {
    run << POSITION_BITS | position.0.cast_signed()
}

/// The number of the run in a key.
pub(crate) fn run(key: i64) -> i64 {
    key >> POSITION_BITS
}

/// The position in a key.
pub(crate) fn position(key: i64) -> Position {
    Position(key.cast_unsigned() & MAX_POSITION)
}

/// Opens the journal of a state folder for writing, making or migrating it where that is needed.
pub(crate) fn open_for_writing(path: &Path, max_pages: Option<u32>) -> Result<Connection, StoreError> {
    check_header(path)?;
    let failed = |e| StoreError::from_sql(path, "opening", e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(failed)?;
    conn.busy_timeout(BUSY).map_err(failed)?;
    let version = check_version(&conn, path)?;
    let pragmas = "
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA foreign_keys = ON;
        PRAGMA wal_autocheckpoint = 4000;
        PRAGMA journal_size_limit = 67108864;
        PRAGMA secure_delete = ON;
    ";
    conn.execute_batch(pragmas).map_err(failed)?;
    if let Some(pages) = max_pages {
        conn.pragma_update(None, "max_page_count", pages).map_err(failed)?;
    }
    migrate(&mut conn, version).map_err(failed)?;
    Ok(conn)
}

/// Opens the journal of a state folder for reading. Gives its schema version too: reading migrates nothing.
pub(crate) fn open_for_reading(path: &Path) -> Result<(Connection, usize), StoreError> {
    if !path.try_exists().unwrap_or(true) {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    check_header(path)?;
    let failed = |e| StoreError::from_sql(path, "opening", e);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(failed)?;
    conn.busy_timeout(BUSY).map_err(failed)?;
    match check_version(&conn, path)? {
        0 => Err(StoreError::Missing { path: path.to_owned() }),
        version => Ok((conn, version)),
    }
}

/// The path of a state folder's journal.
pub(crate) fn journal_path(folder: &Path) -> PathBuf {
    folder.join(JOURNAL_FILE)
}

/// SQLite takes an empty file, and one that is shorter than a header, for a new database: tell those apart first.
fn check_header(path: &Path) -> Result<(), StoreError> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let io =
        |e: std::io::Error| StoreError::Io { path: path.to_owned(), doing: "opening", source: std::sync::Arc::new(e) };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(io(e)),
    };
    if !file.metadata().map_err(io)?.is_file() {
        return Err(StoreError::NotAJournal { path: path.to_owned(), found: "it is not a regular file" });
    }
    let mut start = Vec::with_capacity(MAGIC.len());
    file.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(io)?;
    if start.is_empty() || start == MAGIC {
        Ok(())
    } else {
        Err(StoreError::NotAJournal { path: path.to_owned(), found: "it is not a SQLite database" })
    }
}

/// The schema version of a journal; 0 for a file that holds nothing yet.
fn check_version(conn: &Connection, path: &Path) -> Result<usize, StoreError> {
    let failed = |e| StoreError::from_sql(path, "opening", e);
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(failed);
    let (id, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    if id == 0 && version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(0);
    }
    let known = MIGRATIONS.len();
    if id != APPLICATION_ID {
        return Err(StoreError::NotAJournal { path: path.to_owned(), found: "it is a database of another program" });
    }
    match usize::try_from(version) {
        Ok(found) if (1..=known).contains(&found) => Ok(found),
        Ok(found) if found > known => Err(StoreError::Newer {
            path: path.to_owned(),
            found: version,
            known: i64::try_from(known).unwrap_or(i64::MAX),
        }),
        _ => Err(StoreError::Damaged { path: path.to_owned(), detail: format!("it has schema {version}") }),
    }
}

fn migrate(conn: &mut Connection, version: usize) -> rusqlite::Result<()> {
    if version == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for step in &MIGRATIONS[version..] {
        transaction.execute_batch(step)?;
    }
    if version < SUMMED {
        row::seal(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_run_and_position() {
        let last = Position(MAX_POSITION);
        assert_eq!(position(key(MAX_RUN, last)), last);
        assert_eq!(key(MAX_RUN, last), i64::MAX);
        assert!(key(1, last) < key(2, Position(0)));
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(JOURNAL_FILE);
        std::fs::write(&path, "once upon a time").unwrap();
        for error in [open_for_writing(&path, None).unwrap_err(), open_for_reading(&path).unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains("journal.db is not a journal: it is not a SQLite database"), "{text}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "once upon a time");

        std::fs::remove_file(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
        let text = open_for_writing(&path, None).unwrap_err().to_string();
        assert!(text.contains("it is a database of another program"), "{text}");
    }

    #[test]
    fn a_schema_of_tomorrow_is_refused_with_both_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(JOURNAL_FILE);
        open_for_writing(&path, None).unwrap().pragma_update(None, "user_version", 999).unwrap();
        let text = open_for_writing(&path, None).unwrap_err().to_string();
        assert!(text.contains("has schema 999, and this version knows schemas up to 4"), "{text}");
        assert!(matches!(open_for_reading(&path), Err(StoreError::Newer { .. })));
    }

    #[test]
    fn nothing_is_made_by_reading() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(JOURNAL_FILE);
        assert!(matches!(open_for_reading(&path), Err(StoreError::Missing { .. })));
        assert!(!path.exists());
    }
}
