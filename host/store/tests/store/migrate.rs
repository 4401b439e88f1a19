//! Journals of older schemas: read as they are, and brought up to date by whoever writes next.
//!
//! `tests/golden/schema-1.sql` makes a journal as schema 1 kept it, `schema-2.sql` one of schema 2.

use crate::samples::{journal, note, record, run_id};
use longhaul_core::entry::{Entry, Position};
use longhaul_core::memory::{MemoryScope, MemorySpace, MemoryWrite};
use longhaul_core::outbox::Outbox;
use longhaul_store::{Filter, MemoryReader, Reader, StoreError};
use rusqlite::Connection;
use std::path::Path;

const SCHEMA_1: &str = include_str!("../golden/schema-1.sql");
const SCHEMA_2: &str = include_str!("../golden/schema-2.sql");

fn make(folder: &Path, schema: &str) {
    drop(longhaul_store::StateLock::acquire(folder, crate::samples::START, "test").unwrap());
    let db = Connection::open(folder.join("journal.db")).unwrap();
    db.execute_batch(schema).unwrap();
}

fn bodies(folder: &Path) -> Result<Vec<Vec<u8>>, StoreError> {
    let reader = Reader::open(folder)?;
    reader.entries(&run_id("a"), &Filter::default())?.map(|line| line.map(|line| line.body)).collect()
}

fn version(folder: &Path) -> i64 {
    let db = Connection::open(folder.join("journal.db")).unwrap();
    db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_journal_without_sums_is_read_and_gets_them_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), SCHEMA_1);
    let before = bodies(dir.path()).unwrap();
    assert_eq!((before.len(), version(dir.path())), (3, 1), "reading migrates nothing");
    assert_eq!(Reader::open(dir.path()).unwrap().runs().unwrap().len(), 2);

    let writer = journal(dir.path());
    let run = writer.open_run(&run_id("a")).unwrap();
    assert_eq!(run.append(&note("new")).unwrap(), Position(3));
    writer.close().unwrap();
    drop((run, writer));
    assert_eq!(version(dir.path()), 4);
    let after = bodies(dir.path()).unwrap();
    assert_eq!(after[..3], before);
    let runs = Reader::open(dir.path()).unwrap().runs().unwrap();
    assert_eq!(runs.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(runs[1].summary.entries, 4);

    // Entries from before have no sum and are taken as they are; one from now on has to have one.
    let db = Connection::open(dir.path().join("journal.db")).unwrap();
    let summed: Vec<bool> = db
        .prepare("SELECT sum IS NOT NULL FROM entries ORDER BY key")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(summed, [false, false, false, true]);
    db.execute_batch("UPDATE entries SET sum = NULL").unwrap();
    let error = bodies(dir.path()).unwrap_err().to_string();
    assert!(error.contains("entry 3 of run a: it is not as it was written"), "{error}");
}

#[test]
fn a_migration_that_cannot_end_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), SCHEMA_1);
    let before = bodies(dir.path()).unwrap();
    let db = Connection::open(dir.path().join("journal.db")).unwrap();
    // Something of the same name is in the way of the last steps.
    db.execute_batch("CREATE TABLE lease (other TEXT)").unwrap();
    let lock = longhaul_store::StateLock::acquire(dir.path(), crate::samples::START, "test").unwrap();
    assert!(longhaul_store::Journal::open(lock, longhaul_store::Options::default()).is_err());
    assert_eq!((bodies(dir.path()).unwrap(), version(dir.path())), (before, 1));
    db.execute_batch("DROP TABLE lease").unwrap();
    journal(dir.path()).open_run(&run_id("a")).unwrap();
    assert_eq!(version(dir.path()), 4);
}

#[test]
fn a_journal_without_memory_is_read_and_remembers_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), SCHEMA_2);
    let before = bodies(dir.path()).unwrap();
    assert_eq!((before.len(), version(dir.path())), (3, 2), "reading migrates nothing, and the sums are right");
    assert_eq!(Reader::open(dir.path()).unwrap().runs().unwrap().len(), 2);

    let write = MemoryWrite { scope: MemoryScope::Run, key: "k".into(), value: Some("fresh".into()) };
    let published = Entry::Published(Outbox { memory: vec![write], ..Outbox::default() });
    let writer = journal(dir.path());
    let run = writer.open_run(&run_id("a")).unwrap();
    assert_eq!(run.append(&record(Some("change[1]"), published)).unwrap(), Position(3));
    writer.close().unwrap();
    drop((run, writer));
    assert_eq!(version(dir.path()), 4);
    assert_eq!(bodies(dir.path()).unwrap()[..3], before);
    let mut memory = MemoryReader::open(dir.path()).unwrap();
    let found = memory.get(&MemorySpace::Run(run_id("a")), "k").unwrap();
    assert_eq!(found.map(|value| value.as_bytes().to_vec()), Some(b"fresh".to_vec()));

    // What was summed before is held to its sums still.
    drop(memory);
    let db = Connection::open(dir.path().join("journal.db")).unwrap();
    db.execute_batch("UPDATE entries SET sum = NULL WHERE key = (1 << 40) | 1").unwrap();
    let error = bodies(dir.path()).unwrap_err().to_string();
    assert!(error.contains("entry 1 of run a: it is not as it was written"), "{error}");
}
