//! Memory is what the entries say it is: after a crash, after the way back, in a copy, and with nothing but the words of a query
//! searched for.

use crate::samples::{journal, note, record, run_id, started};
use longhaul_core::counts::TaskCounts;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{CheckpointReason, Entry, Position, Record};
use longhaul_core::id::{Name, TaskId};
use longhaul_core::memory::{Finder, Keys, MAX_SEARCHED, MemoryScope, MemorySpace, MemoryWrite, Room};
use longhaul_core::outbox::Outbox;
use longhaul_core::payload::Payload;
use longhaul_core::state::RunState;
use longhaul_store::{Filter, Journal, MemoryReader, Options, Reader, RunJournal, StateLock, StoreError};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;

use MemoryScope::{Run, Task, Workflow};

fn writes(task: &str, list: &[(MemoryScope, &str, Option<&str>)]) -> Record {
    let write = |(scope, key, value): &(MemoryScope, &str, Option<&str>)| MemoryWrite {
        scope: *scope,
        key: (*key).to_owned(),
        value: value.map(Payload::from),
    };
    let memory = list.iter().map(write).collect();
    record(Some(task), Entry::Published(Outbox { memory, ..Outbox::default() }))
}

fn space(scope: MemoryScope, run: &str, task: &str) -> MemorySpace {
    match scope {
        Task => MemorySpace::Task(run_id(run), TaskId::new(task).unwrap()),
        Run => MemorySpace::Run(run_id(run)),
        Workflow => MemorySpace::Workflow(Name::new("modernise").unwrap()),
    }
}

const ALL: Keys<'_> = Keys { prefix: "", after: None, limit: 1_000_000 };

/// All that a space holds.
fn content(reader: &mut MemoryReader, space: &MemorySpace) -> Result<BTreeMap<String, Payload>, StoreError> {
    let keys = reader.keys(space, ALL)?;
    keys.into_iter().map(|key| Ok((key.clone(), reader.get(space, &key)?.unwrap()))).collect()
}

/// The same, as short lines.
fn lines(folder: &Path, space: &MemorySpace) -> Vec<String> {
    let content = content(&mut MemoryReader::open(folder).unwrap(), space).unwrap();
    content.iter().map(|(key, value)| format!("{key}={}", value.text().unwrap())).collect()
}

fn found(folder: &Path, space: &MemorySpace, query: &str) -> Vec<String> {
    let finder = Finder::new(query);
    let found = MemoryReader::open(folder).unwrap().find(space, &finder, 100).unwrap();
    finder.rank(found, std::iter::empty(), 100).into_iter().map(|hit| hit.key).collect()
}

fn checkpointed(number: u32, oldest: Option<u64>) -> Record {
    let (version, reason) = (Digest::of(b"version"), CheckpointReason::Demand);
    record(None, Entry::Checkpointed { number, version, reason, oldest: oldest.map(Position) })
}

fn rolled_back(number: u32, to: u64) -> Record {
    let entry = Entry::RolledBack {
        number,
        to: Some(Position(to)),
        version: Digest::of(b"version"),
        validate: None,
        tasks: Vec::new(),
        gone: Vec::new(),
        counts: TaskCounts::default(),
    };
    record(Some("a"), entry)
}

#[test]
fn what_is_written_is_shared_by_those_of_its_scope() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let all = [(Task, "k", Some("task a")), (Run, "k", Some("run one")), (Workflow, "k", Some("first"))];
    let one = writer.start_run(&started("one")).unwrap();
    one.append(&writes("a", &all)).unwrap();
    one.append(&writes("b", &[(Task, "k", Some("task b")), (Run, "other", Some(""))])).unwrap();
    let two = writer.start_run(&started("two")).unwrap();
    two.append(&writes("a", &[(Workflow, "k", Some("second")), (Workflow, "more", Some("x"))])).unwrap();
    one.append(&writes("b", &[(Run, "k", None), (Run, "never there", None), (Workflow, "more", None)])).unwrap();
    writer.flush().wait().unwrap();
    let lines = |scope, run, task| lines(dir.path(), &space(scope, run, task));
    assert_eq!(lines(Task, "one", "a"), ["k=task a"]);
    assert_eq!(lines(Task, "one", "b"), ["k=task b"]);
    assert_eq!(lines(Run, "one", ""), ["other="]);
    assert_eq!(lines(Workflow, "", ""), ["k=second"]);
    assert_eq!((lines(Task, "two", "a").len(), lines(Run, "two", "").len(), lines(Run, "three", "").len()), (0, 0, 0));
    let mut reader = MemoryReader::open(dir.path()).unwrap();
    let workflow = space(Workflow, "", "");
    assert_eq!(reader.taken(&workflow).unwrap(), Room::of("k", "second".len()));
    assert_eq!(reader.taken_by(&workflow, "k").unwrap(), Room::of("k", "second".len()));
    assert_eq!(reader.taken_by(&workflow, "more").unwrap(), Room::default());
}

#[test]
fn keys_come_in_order_by_prefix_and_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let run = journal(dir.path()).start_run(&started("one")).unwrap();
    let keys = ["b", "a/2", "a/1", "a/10", "a", "ä", "a0"];
    run.append(&writes("a", &keys.map(|key| (Run, key, Some("x"))))).unwrap();
    run.flush().wait().unwrap();
    let mut reader = MemoryReader::open(dir.path()).unwrap();
    let mut page = |prefix, after, limit| reader.keys(&space(Run, "one", ""), Keys { prefix, after, limit }).unwrap();
    assert_eq!(page("", None, 9), ["a", "a/1", "a/10", "a/2", "a0", "b", "ä"]);
    assert_eq!(page("a/", None, 2), ["a/1", "a/10"]);
    assert_eq!(page("a/", Some("a/10"), 2), ["a/2"]);
    assert_eq!(page("a/", Some("a"), 2), ["a/1", "a/10"]);
    assert_eq!(page("a/", Some("b"), 2), [""; 0]);
    assert_eq!(page("", Some("b"), 2), ["ä"]);
}

#[test]
fn a_search_finds_words_and_nothing_of_other_spaces() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("one")).unwrap();
    let all = [
        (Run, "build", Some("the build is slow on Mondays")),
        (Run, "tests", Some("slow, slow tests; größe")),
        (Run, "lint", Some("nothing to see")),
        (Workflow, "other", Some("slow secret")),
        (Task, "own", Some("slow")),
    ];
    run.append(&writes("a", &all)).unwrap();
    let mut binary = writes("a", &[(Run, "binary", Some("x"))]);
    if let Entry::Published(outbox) = &mut binary.entry {
        outbox.memory[0].value = Some(b"slow\xff".to_vec().into());
    }
    run.append(&binary).unwrap();
    let long = format!("{} needle", "word ".repeat(MAX_SEARCHED / 5 + 1));
    run.append(&writes("a", &[(Run, "long", Some(&long))])).unwrap();
    run.flush().wait().unwrap();
    let run_space = space(Run, "one", "");
    let find = |query: &str| found(dir.path(), &run_space, query);
    assert_eq!(find("SLOW tests"), ["tests", "build"]);
    assert_eq!(find("Größe"), ["tests"]);
    assert_eq!(find("lint"), ["lint"], "keys are searched too");
    assert_eq!((find("secret").len(), find("needle").len(), find("").len()), (0, 0, 0));
    // The database's own language is words like others, and the prefix of another space is one.
    for hostile in ["\" OR key:*", "slow NEAR(", "s2xslow", "s1x", "{text}: ^secret", "'; DROP TABLE memories; --"] {
        assert!(!find(hostile).contains(&"other".to_owned()), "{hostile}");
    }
    assert_eq!(find("\"slow\" AND NOT tests"), ["tests", "build"]);

    // What was changed or removed is found no more.
    run.append(&writes("a", &[(Run, "tests", Some("quick")), (Run, "build", None)])).unwrap();
    run.flush().wait().unwrap();
    assert_eq!((find("slow").len(), find("quick")), (0, vec!["tests".to_owned()]));
}

#[test]
fn a_run_goes_back_with_what_it_remembered_and_its_workflow_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("one")).unwrap();
    let before = [(Run, "kept", Some("old")), (Run, "gone", Some("slow")), (Task, "t", Some("1"))];
    run.append(&writes("a", &before)).unwrap();
    assert_eq!(run.append(&checkpointed(1, None)).unwrap(), Position(2));
    let since =
        [(Run, "kept", Some("new")), (Run, "gone", None), (Run, "added", Some("slow")), (Workflow, "w", Some("1"))];
    run.append(&writes("a", &since)).unwrap();
    run.append(&writes("b", &[(Task, "t", Some("2")), (Run, "kept", Some("newer"))])).unwrap();
    run.append(&rolled_back(1, 2)).unwrap();
    run.flush().wait().unwrap();
    let lines = |scope, task| lines(dir.path(), &space(scope, "one", task));
    assert_eq!(lines(Run, ""), ["gone=slow", "kept=old"]);
    assert_eq!(
        (lines(Task, "a"), lines(Task, "b").len(), lines(Workflow, "")),
        (vec!["t=1".into()], 0, vec!["w=1".into()])
    );
    assert_eq!(found(dir.path(), &space(Run, "one", ""), "slow"), ["gone"]);

    // Once more, from there on, with another checkpoint between.
    run.append(&writes("a", &[(Run, "kept", Some("third"))])).unwrap();
    run.append(&checkpointed(2, Some(2))).unwrap();
    run.append(&writes("a", &[(Run, "kept", None)])).unwrap();
    run.append(&rolled_back(1, 2)).unwrap();
    run.flush().wait().unwrap();
    assert_eq!(lines(Run, ""), ["gone=slow", "kept=old"]);
}

#[test]
fn the_past_is_kept_as_long_as_a_checkpoint_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("one")).unwrap();
    let past = || {
        run.flush().wait().unwrap();
        let db = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
        db.query_row("SELECT count(*) FROM memories WHERE until IS NOT NULL", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    for number in 0..5 {
        run.append(&writes("a", &[(Run, "k", Some(&number.to_string())), (Workflow, "k", Some("x"))])).unwrap();
    }
    assert_eq!(past(), 4);
    run.append(&checkpointed(1, None)).unwrap();
    assert_eq!(past(), 0);
    run.append(&writes("a", &[(Run, "k", Some("five"))])).unwrap();
    run.append(&checkpointed(2, Some(6))).unwrap();
    assert_eq!(past(), 1, "the older checkpoint needs what it was");
    run.append(&writes("a", &[(Run, "k", Some("six"))])).unwrap();
    run.append(&checkpointed(3, Some(8))).unwrap();
    assert_eq!(past(), 1);
    let over = Entry::RunChanged { from: RunState::Applying, to: RunState::Completed, reason: String::new() };
    run.append(&record(None, over)).unwrap();
    assert_eq!(past(), 0);
    assert_eq!(lines(dir.path(), &space(Run, "one", "")), ["k=six"]);
}

#[test]
fn a_copy_remembers_what_its_run_did_and_tells_the_workflow_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let first = writer.start_run(&started("one")).unwrap();
    let shared = writes("a", &[(Run, "k", Some("1")), (Workflow, "k", Some("1"))]);
    first.append(&shared).unwrap();
    first.append(&writes("a", &[(Workflow, "k", Some("changed since")), (Run, "k", Some("2"))])).unwrap();
    let copy = writer.copy_run(&started("two")).unwrap();
    copy.append(&shared).unwrap();
    copy.append(&record(None, Entry::Forked { from: run_id("one"), checkpoint: 1 })).unwrap();
    writer.flush().wait().unwrap();
    let lines = |scope, run| lines(dir.path(), &space(scope, run, ""));
    assert_eq!((lines(Run, "one"), lines(Run, "two")), (vec!["k=2".into()], vec!["k=1".into()]));
    assert_eq!(lines(Workflow, ""), ["k=changed since"]);
    copy.append(&writes("a", &[(Workflow, "k", Some("by the fork"))])).unwrap();
    writer.flush().wait().unwrap();
    assert_eq!(lines(Workflow, ""), ["k=by the fork"]);
}

/// What the entries of a run make of its memory.
fn folded(folder: &Path, run: &str) -> BTreeMap<String, Payload> {
    let reader = Reader::open(folder).unwrap();
    let mut all = BTreeMap::new();
    for line in reader.entries(&run_id(run), &Filter::default()).unwrap() {
        if let Entry::Published(outbox) = &line.unwrap().record().unwrap().entry {
            for write in outbox.memory.iter().filter(|write| write.scope == Run) {
                match &write.value {
                    Some(value) => drop(all.insert(write.key.clone(), value.clone())),
                    None => drop(all.remove(&write.key)),
                }
            }
        }
    }
    all
}

#[test]
fn a_torn_log_leaves_the_memory_that_its_entries_make() {
    let running = tempfile::tempdir().unwrap();
    let writer = journal(running.path());
    let run = writer.start_run(&started("one")).unwrap();
    for number in 0..8 {
        run.flush().wait().unwrap();
        let key = format!("k{}", number % 3);
        let value = format!("value {number} {}", "x".repeat(number * 700));
        run.append(&writes("a", &[(Run, &key, Some(&value)), (Run, "k1", (number != 4).then_some("one"))])).unwrap();
    }
    run.flush().wait().unwrap();
    let [database, log] =
        ["journal.db", "journal.db-wal"].map(|name| std::fs::read(running.path().join(name)).unwrap());
    let mut sizes = std::collections::BTreeSet::new();
    for length in (0..=log.len()).step_by(512) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("journal.db"), &database).unwrap();
        std::fs::write(dir.path().join("journal.db-wal"), &log[..length]).unwrap();
        match MemoryReader::open(dir.path()) {
            Err(StoreError::Missing { .. }) => continue,
            reader => {
                let Ok(_) = Reader::open(dir.path()).unwrap().run(&run_id("one")) else { continue };
                let expected = folded(dir.path(), "one");
                assert_eq!(content(&mut reader.unwrap(), &space(Run, "one", "")).unwrap(), expected, "{length} bytes");
                sizes.insert(expected.values().map(Payload::len).sum::<usize>());
            }
        }
    }
    assert!(sizes.len() >= 7, "{sizes:?}");
}

/// A state folder in pages of 512 bytes, in which several spaces remember something.
fn small(folder: &Path) {
    let writer = journal(folder);
    let run = writer.start_run(&started("one")).unwrap();
    let append = |run: &RunJournal, record: &Record| assert!(run.append(record).is_ok());
    append(
        &run,
        &writes("a", &[(Run, "alpha", Some("first text")), (Run, "beta", Some("second")), (Task, "t", Some("own"))]),
    );
    append(&run, &checkpointed(1, None));
    append(
        &run,
        &writes("a", &[(Run, "beta", Some("later")), (Workflow, "w", Some("shared")), (Run, "gamma", Some(""))]),
    );
    append(&run, &note("end"));
    writer.close().unwrap();
    drop((run, writer));
    let db = rusqlite::Connection::open(folder.join("journal.db")).unwrap();
    let pages = "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM; PRAGMA journal_mode = WAL;";
    db.execute_batch(pages).unwrap();
}

fn everything(folder: &Path) -> Result<Vec<BTreeMap<String, Payload>>, StoreError> {
    let mut reader = MemoryReader::open(folder)?;
    let mut all = Vec::new();
    for space in [space(Run, "one", ""), space(Task, "one", "a"), space(Workflow, "", "")] {
        let mut content = content(&mut reader, &space)?;
        for key in ["alpha", "beta", "gamma", "delta", "t", "w"] {
            if let Some(value) = reader.get(&space, key)? {
                content.insert(key.to_owned(), value);
            }
        }
        all.push(content);
    }
    Ok(all)
}

#[test]
fn a_flipped_bit_in_memory_is_told_or_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    let path = dir.path().join("journal.db");
    let bytes = std::fs::read(&path).unwrap();
    let whole = everything(dir.path()).unwrap();
    assert_eq!(whole.iter().map(BTreeMap::len).collect::<Vec<_>>(), [3, 1, 1]);
    let terms = |folder: &Path| {
        let finder = Finder::new("text later shared");
        let mut reader = MemoryReader::open(folder)?;
        let found = reader.find(&space(Run, "one", ""), &finder, 9)?;
        Ok::<_, StoreError>(found.texts)
    };
    let fits = terms(dir.path()).unwrap();
    assert_eq!(fits.len(), 2);
    let (mut told, mut tried) = (0, 0);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for at in 0..bytes.len() {
        let page = &bytes[at / 512 * 512..][..512];
        // What stands between is filling, and damage to entries is told elsewhere.
        let is_filling =
            page[at % 512..].iter().take(24).chain(page[..at % 512].iter().rev().take(24)).all(|byte| *byte == 0);
        if is_filling || page.windows(6).any(|text| text == b"\"kind\"") {
            continue;
        }
        let bit = at % 8;
        tried += 1;
        file.write_all_at(&[bytes[at] ^ (1 << bit)], at as u64).unwrap();
        let is_of_damage = |error: &StoreError| {
            matches!(error, StoreError::Damaged { .. } | StoreError::NotAJournal { .. } | StoreError::Newer { .. })
        };
        match everything(dir.path()) {
            Ok(content) => assert!(content == whole, "bit {bit} of byte {at}: {content:?}"),
            Err(error) => {
                assert!(is_of_damage(&error), "bit {bit} of byte {at}: {error:?}");
                told += 1;
            }
        }
        // A search may miss what damage hides, and never shows what is not there.
        match terms(dir.path()) {
            Ok(texts) => assert!(texts.iter().all(|text| fits.contains(text)), "bit {bit} of byte {at}: {texts:?}"),
            Err(error) => assert!(is_of_damage(&error), "bit {bit} of byte {at}: {error:?}"),
        }
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
    }
    assert!(told > tried / 10, "{told} of {tried}");
}

#[test]
fn memory_survives_the_process_that_wrote_it() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("one")).unwrap();
    run.append(&writes("a", &[(Workflow, "k", Some("1")), (Run, "k", Some("1"))])).unwrap();
    writer.close().unwrap();
    drop((run, writer));
    let lock = StateLock::acquire(dir.path(), crate::samples::START, "test").unwrap();
    let writer = Journal::open(lock, Options::default()).unwrap();
    let run = writer.open_run(&run_id("one")).unwrap();
    run.append(&writes("a", &[(Workflow, "k", Some("2")), (Run, "j", Some("2"))])).unwrap();
    run.flush().wait().unwrap();
    assert_eq!(lines(dir.path(), &space(Workflow, "", "")), ["k=2"]);
    assert_eq!(lines(dir.path(), &space(Run, "one", "")), ["j=2", "k=1"]);
}
