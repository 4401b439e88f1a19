//! What is sealed, and that a head is durable with what it covers. The sealer here is a count and a sum of bytes: what a head proves is not
//! the store's business.

use crate::samples::{START, note, record, run_id, started};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Position};
use longhaul_core::id::RunId;
use longhaul_core::state::RunState;
use longhaul_store::{Journal, LogEntry, Of, Options, Raw, Reader, Sealed, Sealer, Sealing, StateLock, StoreError};
use std::collections::HashMap;
use std::path::Path;

/// Heads that say `SIZE DIGEST` of all bytes so far.
#[derive(Default)]
struct Sums {
    records: HashMap<i64, (u64, Digest)>,
    /// No head is made of a record of more entries.
    most: Option<u64>,
}

fn step(digest: Digest, entry: &[u8]) -> Digest {
    Digest::of(&[digest.as_bytes(), entry].concat())
}

impl Sealer for Sums {
    fn begin(&mut self, number: i64, record: Sealing<'_>, kept: Option<&Sealed>) -> Result<(), String> {
        let name = match record {
            Sealing::Run(run) => run.to_string(),
            Sealing::Log { first } => format!("log of {first}"),
        };
        let begins = (0, Digest::of(name.as_bytes()));
        self.records.insert(number, kept.map_or(begins, |kept| (kept.size, kept.root)));
        Ok(())
    }

    fn append(&mut self, number: i64, entry: &[u8]) {
        let (size, root) = self.records.get_mut(&number).unwrap();
        (*size, *root) = (*size + 1, step(*root, entry));
    }

    fn seal(&mut self, number: i64) -> Result<Sealed, String> {
        let (size, root) = self.records[&number];
        match self.most.is_some_and(|most| size > most) {
            true => Err("no ink is left".to_owned()),
            false => Ok(Sealed { size, root, note: format!("{size} {root}").into_bytes(), edge: Vec::new() }),
        }
    }
}

fn open(folder: &Path, most: Option<u64>) -> Result<Journal, StoreError> {
    let lock = StateLock::acquire(folder, START, "test").unwrap();
    Journal::sealed(lock, Options::default(), Sums { most, ..Sums::default() })
}

fn all(folder: &Path, of: Of<'_>, heads: bool) -> Vec<Raw> {
    let reader = Reader::open(folder).unwrap();
    let rows = if heads { reader.raw_heads(of) } else { reader.raw_entries(of) };
    rows.unwrap().map(Result::unwrap).collect()
}

/// The sizes of the heads of a run, each of which has to be that of the entries below it.
fn heads(folder: &Path, run: &RunId) -> Vec<u64> {
    let entries = all(folder, Of::Run(run), false);
    let heads = all(folder, Of::Run(run), true);
    for head in &heads {
        let below = entries.iter().take(head.at.0 as usize);
        let root = below.fold(Digest::of(run.as_str().as_bytes()), |root, entry| step(root, &entry.bytes));
        assert!(head.is_sound);
        assert_eq!(String::from_utf8_lossy(&head.bytes), format!("{} {root}", head.at.0));
    }
    heads.iter().map(|head| head.at.0).collect()
}

fn changed(to: RunState) -> longhaul_core::entry::Record {
    record(None, Entry::RunChanged { from: RunState::Running, to, reason: String::new() })
}

#[test]
fn a_run_is_sealed_where_its_state_changes_and_when_the_journal_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path(), None).unwrap();
    let run = journal.start_run(&started("a")).unwrap();
    run.flush().wait().unwrap();
    for text in ["one", "two"] {
        run.append(&note(text)).unwrap();
        run.flush().wait().unwrap();
    }
    run.append(&changed(RunState::Paused)).unwrap();
    run.append(&note("x".repeat(10_000))).unwrap();
    run.flush().wait().unwrap();
    run.append(&note("the last one")).unwrap();
    journal.close().unwrap();
    drop((run, journal));
    assert_eq!(heads(dir.path(), &run_id("a")), [1, 5, 6]);
    let log: Vec<LogEntry> =
        all(dir.path(), Of::Log, false).iter().map(|raw| serde_json::from_slice(&raw.bytes).unwrap()).collect();
    assert_eq!(
        log.iter().map(|entry| (entry.run.as_str(), entry.size)).collect::<Vec<_>>(),
        [("a", 1), ("a", 5), ("a", 6)]
    );
    let mut sizes = Vec::new();
    for head in all(dir.path(), Of::Log, true) {
        let entries = all(dir.path(), Of::Log, false);
        let below = entries.iter().take(head.at.0 as usize);
        let root = below.fold(Digest::of(b"log of a"), |root, entry| step(root, &entry.bytes));
        assert_eq!(String::from_utf8_lossy(&head.bytes), format!("{} {root}", head.at.0));
        sizes.push(head.at.0);
    }
    assert_eq!(sizes, [1, 2, 3]);
}

#[test]
fn a_long_run_is_sealed_now_and_then() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path(), None).unwrap();
    let run = journal.start_run(&started("a")).unwrap();
    for n in 0..5000 {
        run.append(&note(format!("{n}"))).unwrap();
    }
    run.flush().wait().unwrap();
    let sizes = heads(dir.path(), &run_id("a"));
    let gaps: Vec<_> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(sizes.last().is_some_and(|last| 5001 - last < 1024) && !gaps.is_empty(), "{sizes:?}");
}

#[test]
fn what_a_dead_process_left_unsealed_is_sealed_by_who_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    // A journal without a sealer leaves what a killed one leaves: entries above the newest head.
    let journal = open(dir.path(), None).unwrap();
    journal.start_run(&started("a")).unwrap();
    journal.start_run(&started("b")).unwrap();
    journal.close().unwrap();
    drop(journal);
    let journal = crate::samples::journal(dir.path());
    let run = journal.open_run(&run_id("a")).unwrap();
    for n in 0..10 {
        run.append(&note(format!("{n}").repeat(n * 500))).unwrap();
    }
    journal.close().unwrap();
    drop((run, journal));
    assert_eq!(heads(dir.path(), &run_id("a")), [1]);
    let journal = open(dir.path(), None).unwrap();
    let run = journal.open_run(&run_id("a")).unwrap();
    assert_eq!(run.append(&note("on")).unwrap(), Position(11));
    run.flush().wait().unwrap();
    journal.close().unwrap();
    assert_eq!(heads(dir.path(), &run_id("a")), [1, 12]);
    assert_eq!(heads(dir.path(), &run_id("b")), [1], "nobody touched it");
}

#[test]
fn where_no_head_can_be_made_nothing_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path(), Some(3)).unwrap();
    let run = journal.start_run(&started("a")).unwrap();
    run.append(&note("one")).unwrap();
    run.flush().wait().unwrap();
    for text in ["two", "three"] {
        run.append(&note(text)).unwrap();
    }
    run.append(&changed(RunState::Paused)).unwrap();
    let error = run.flush().wait().unwrap_err();
    assert!(matches!(&error, StoreError::Unsealed { detail } if detail == "no ink is left"), "{error}");
    assert!(run.append(&note("more")).is_err() && journal.close().is_err(), "it stays failed");
    drop((run, journal));
    assert_eq!(all(dir.path(), Of::Run(&run_id("a")), false).len(), 2, "nothing of that transaction is there");
}

#[test]
fn a_row_that_was_changed_is_handed_out_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path(), None).unwrap();
    let run = journal.start_run(&started("a")).unwrap();
    run.flush().wait().unwrap();
    run.append(&note("one")).unwrap();
    run.append(&note("two")).unwrap();
    // One that is kept apart.
    run.append(&note("large".repeat(2_000))).unwrap();
    journal.close().unwrap();
    drop((run, journal));
    let db = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    db.execute_batch("UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'one', 'own') AS BLOB) WHERE key & 3 = 1; UPDATE heads SET note = X'78' WHERE size = 4 AND record > 0;
        UPDATE blobs SET bytes = CAST(replace(CAST(bytes AS TEXT), 'elargel', 'eLargel') AS BLOB)")
        .unwrap();
    let sound =
        |heads| all(dir.path(), Of::Run(&run_id("a")), heads).iter().map(|raw| raw.is_sound).collect::<Vec<_>>();
    assert_eq!((sound(false), sound(true)), (vec![true, false, true, false], vec![true, false]));
}
