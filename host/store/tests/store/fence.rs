//! Who may write, and where: the newest opening alone, at the position that was expected.

use crate::samples::{START, journal, note, run_id, started};
use longhaul_core::entry::{Entry, Position};
use longhaul_core::units::Timestamp;
use longhaul_store::{Epoch, Filter, Journal, Reader, StoreError};
use std::path::Path;

/// The messages of the log entries of run `a`, after a check that positions have no gaps.
fn messages(folder: &Path) -> Vec<String> {
    let reader = Reader::open(folder).unwrap();
    let lines: Vec<_> = reader.entries(&run_id("a"), &Filter::default()).unwrap().map(Result::unwrap).collect();
    let positions: Vec<_> = lines.iter().map(|line| line.position.0).collect();
    assert_eq!(positions, (0..lines.len() as u64).collect::<Vec<_>>());
    let entries = lines.iter().filter_map(|line| match &line.record()?.entry {
        Entry::Log { message, .. } => Some(message.clone()),
        _ => None,
    });
    entries.collect()
}

/// Opens the journal of a folder that is open already: the lock's file is gone, so the lock does not hold.
fn open_in_spite_of_the_lock(folder: &Path) -> Journal {
    std::fs::remove_file(folder.join("lock")).unwrap();
    journal(folder)
}

#[test]
fn a_journal_that_another_took_over_can_write_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let first = journal(dir.path());
    let run = first.start_run(&started("a")).unwrap();
    run.append(&note("kept")).unwrap();
    run.flush().wait().unwrap();

    let second = open_in_spite_of_the_lock(dir.path());
    assert_eq!((first.epoch(), second.epoch()), (Epoch(1), Epoch(2)));
    let taken = second.open_run(&run_id("a")).unwrap();
    // The first one does not know yet, and takes what it will never write.
    run.append(&note("lost")).unwrap();
    let error = run.flush().wait().unwrap_err();
    assert!(matches!(error, StoreError::Fenced { epoch: Epoch(1), now: Epoch(2), .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("journal.db was taken over by another process (its epoch is 2, this process has 1)"),
        "{text}"
    );
    assert!(matches!(run.append(&note("late")), Err(StoreError::Fenced { .. })));
    assert!(matches!(first.start_run(&started("b")), Err(StoreError::Fenced { .. })));
    assert!(matches!(first.close(), Err(StoreError::Fenced { .. })));

    assert_eq!(taken.append(&note("on")).unwrap(), Position(2));
    taken.flush().wait().unwrap();
    second.close().unwrap();
    assert_eq!(messages(dir.path()), ["kept", "on"]);
}

#[test]
fn a_journal_that_another_took_over_does_not_close_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = journal(dir.path());
    first.start_run(&started("a")).unwrap();
    first.flush().wait().unwrap();
    let second = open_in_spite_of_the_lock(dir.path());
    // It has nothing to write, and says nevertheless that it is the owner no longer.
    assert!(matches!(first.close(), Err(StoreError::Fenced { .. })));
    drop(first);
    let run = second.open_run(&run_id("a")).unwrap();
    run.append(&note("on")).unwrap();
    second.close().unwrap();
    assert_eq!(messages(dir.path()), ["on"]);
}

#[test]
fn every_opening_has_an_epoch_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    for epoch in 1..4 {
        assert_eq!(journal(dir.path()).epoch(), Epoch(epoch));
    }
}

#[test]
fn an_entry_is_appended_where_it_was_expected_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("a")).unwrap();
    let same = writer.open_run(&run_id("a")).unwrap();
    run.append_at(Position(1), &note("one")).unwrap();
    for expected in [0, 1, 3, u64::MAX] {
        let error = same.append_at(Position(expected), &note("no")).unwrap_err();
        let StoreError::Elsewhere { run, found: Position(2), .. } = &error else { panic!("{error}") };
        assert_eq!(*run, run_id("a"));
        let text = format!("the next entry of run a would be 2, and {expected} was expected; read what");
        assert!(error.to_string().starts_with(&text), "{error}");
    }
    same.append_at(run.next_position(), &note("two")).unwrap();
    assert_eq!(run.summary().entries, 3);
    writer.close().unwrap();
    assert_eq!(messages(dir.path()), ["one", "two"]);
}

#[test]
fn of_many_that_expect_one_position_one_gets_it() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("a")).unwrap();
    let won: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|number| {
                let run = run.clone();
                scope.spawn(move || {
                    (1..50).filter(|at| run.append_at(Position(*at), &note(format!("{number}"))).is_ok()).count()
                })
            })
            .collect();
        tries.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(won as u64 + 1, run.next_position().0);
    writer.close().unwrap();
    assert_eq!(messages(dir.path()).len(), won);
}

#[test]
fn times_are_data_and_may_run_backwards() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("a")).unwrap();
    let times = [START.0, 5, u64::MAX, 0, START.0 - 1, START.0 + 86_400_000, u64::MAX / 2 + 1];
    for at in times {
        run.append(&longhaul_core::entry::Record { at: Timestamp(at), ..note(at.to_string()) }).unwrap();
    }
    drop(run);
    writer.close().unwrap();
    drop(writer);
    assert_eq!(messages(dir.path()), times.map(|at| at.to_string()));
    let reader = Reader::open(dir.path()).unwrap();
    let lines = reader.entries(&run_id("a"), &Filter { after: Some(Position(0)), ..Filter::default() }).unwrap();
    let read: Vec<_> = lines.map(|line| line.unwrap().record().unwrap().at.0).collect();
    assert_eq!(read, times);
    // It goes on behind the newest entry, whatever time that one has.
    assert_eq!(journal(dir.path()).open_run(&run_id("a")).unwrap().next_position(), Position(8));
}
