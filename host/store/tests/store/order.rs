//! Whoever appends, whenever: each run is read back in order, without gaps, with the bytes that went in.

use crate::samples::{journal, note, run_id, started};
use longhaul_core::entry::{Entry, Position};
use longhaul_store::{Filter, Journal, Reader, RunJournal};
use proptest::prelude::*;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake};

/// The messages of a run's log entries, after a check that positions have no gaps.
fn messages(folder: &Path, run: &str) -> Vec<String> {
    let reader = Reader::open(folder).unwrap();
    let lines = reader.entries(&run_id(run), &Filter::default()).unwrap();
    let mut messages = Vec::new();
    for (index, line) in lines.enumerate() {
        let line = line.unwrap();
        assert_eq!(line.position, Position(index as u64));
        if let Entry::Log { message, .. } = &line.record().unwrap().entry {
            messages.push(message.clone());
        }
    }
    messages
}

/// Appends each text to its run, and returns what the run must hold at the position given.
fn append(run: &RunJournal, text: &str, flush: bool) -> (Position, String) {
    let position = run.append(&note(text)).unwrap();
    if flush {
        run.flush().wait().unwrap();
    }
    (position, text.to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn interleaved_appends_are_read_back_in_order(
        plans in prop::collection::vec(
            prop::collection::vec((0_usize..3, prop_oneof![9 => "\\PC{0,40}", 1 => "[a-z]{4000,9000}"], prop::bool::weighted(0.1)), 0..60),
            1..4,
        ),
        reopen in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let writer = journal(dir.path());
        let names = ["a", "b", "c"];
        let runs: Vec<_> = names.iter().map(|name| writer.start_run(&started(name)).unwrap()).collect();
        let results: Vec<Vec<(usize, Position, String)>> = std::thread::scope(|scope| {
            let threads: Vec<_> = plans
                .iter()
                .map(|plan| {
                    let runs = &runs;
                    scope.spawn(move || {
                        plan.iter()
                            .map(|(run, text, flush)| {
                                let (position, text) = append(&runs[*run], text, *flush);
                                (*run, position, text)
                            })
                            .collect()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let live: Vec<_> = runs.iter().map(RunJournal::summary).collect();
        drop(runs);
        if reopen {
            writer.close().unwrap();
        } else {
            writer.flush().wait().unwrap();
        }
        for (index, name) in names.iter().enumerate() {
            let found = messages(dir.path(), name);
            let mut expected: Vec<_> =
                results.iter().flatten().filter(|(run, ..)| *run == index).map(|(_, p, t)| (*p, t.clone())).collect();
            expected.sort();
            let expected: Vec<_> = expected.into_iter().map(|(_, text)| text).collect();
            prop_assert_eq!(found, expected);
            // What stands beside the entries is what the entries say.
            let reader = Reader::open(dir.path()).unwrap();
            let summary = reader.run(&run_id(name)).unwrap().summary;
            prop_assert_eq!(summary, live[index]);
            prop_assert_eq!(summary, reader.rebuild_summary(&run_id(name)).unwrap());
        }
    }
}

#[test]
fn a_run_goes_on_where_another_process_left_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = journal(dir.path());
    let run = first.start_run(&started("a")).unwrap();
    assert_eq!(run.append(&note("one")).unwrap(), Position(1));
    drop((run, first));

    let second = journal(dir.path());
    let error = second.start_run(&started("a")).err().unwrap().to_string();
    assert_eq!(error, "run a exists already");
    let run = second.open_run(&run_id("a")).unwrap();
    assert_eq!(run.append(&note("two")).unwrap(), Position(2));
    assert_eq!(run.summary().entries, 3);
    second.close().unwrap();
    assert_eq!(messages(dir.path(), "a"), ["one", "two"]);
}

#[test]
fn two_handles_of_one_run_share_its_positions() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("a")).unwrap();
    let same = writer.open_run(&run_id("a")).unwrap();
    assert_eq!(run.append(&note("one")).unwrap(), Position(1));
    assert_eq!(same.append(&note("two")).unwrap(), Position(2));
    assert_eq!(run.next_position(), Position(3));
}

#[test]
fn a_flush_can_be_awaited_on_any_executor() {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("a")).unwrap();
    run.append(&note("one")).unwrap();
    let mut flushed = pin!(run.flush());
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    while flushed.as_mut().poll(&mut context).map(Result::unwrap).is_pending() {
        std::thread::park();
    }
    assert_eq!(messages(dir.path(), "a"), ["one"]);
}

#[test]
fn a_closed_journal_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer: Journal = journal(dir.path());
    let run = writer.start_run(&started("a")).unwrap();
    writer.close().unwrap();
    let error = run.append(&note("late")).unwrap_err().to_string();
    assert!(error.ends_with("journal.db is closed"), "{error}");
    // What was appended before is on disk, and a flush may still say so.
    run.flush().wait().unwrap();
    assert!(!dir.path().join("journal.db-wal").metadata().is_ok_and(|wal| wal.len() > 0));
}
