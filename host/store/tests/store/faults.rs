//! Full disks, foreign writers, damaged files: a typed error that names the file, and nothing acknowledged is lost.

use crate::samples::{START, journal, note, run_id, started};
use longhaul_core::entry::Position;
use longhaul_core::units::Bytes;
use longhaul_store::{Filter, Journal, MAX_BODY, Options, Reader, StateLock, StoreError};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Appends until the journal fails, waiting for each to be on disk; the last acknowledged position, and the failure.
fn fill(writer: &Journal) -> (Position, StoreError) {
    let run = writer.start_run(&started("a")).unwrap();
    run.flush().wait().unwrap();
    let mut acknowledged = Position(0);
    loop {
        let position = match run.append(&note("x".repeat(3000))) {
            Ok(position) => position,
            Err(error) => return (acknowledged, error),
        };
        match run.flush().wait() {
            Ok(()) => acknowledged = position,
            Err(error) => {
                let again = run.append(&note("more")).unwrap_err();
                assert_eq!(again.to_string(), error.to_string(), "it stays failed");
                assert!(writer.start_run(&started("b")).is_err());
                assert!(writer.flush().wait().is_err() && writer.close().is_err());
                return (acknowledged, error);
            }
        }
    }
}

fn assert_gapless(folder: &Path, acknowledged: Position) {
    let reader = Reader::open(folder).unwrap();
    let lines = reader.entries(&run_id("a"), &Filter::default()).unwrap();
    let positions: Vec<_> = lines.map(|line| line.unwrap().position.0).collect();
    assert_eq!(positions, (0..positions.len() as u64).collect::<Vec<_>>());
    assert!(positions.len() as u64 > acknowledged.0, "{} of {acknowledged:?}", positions.len());
}

#[test]
fn a_journal_at_its_bound_is_a_full_disk_and_keeps_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let lock = StateLock::acquire(dir.path(), START, "test").unwrap();
    let writer = Journal::open(lock, Options { max_size: Some(Bytes(256 * 1024)) }).unwrap();
    let (acknowledged, error) = fill(&writer);
    assert!(error.is_disk_full(), "{error}");
    assert!(error.to_string().contains("journal.db cannot grow; make room"), "{error}");
    assert!(acknowledged.0 > 10);
    drop(writer);
    assert_gapless(dir.path(), acknowledged);
    // With more room it goes on where it was.
    let writer = journal(dir.path());
    let run = writer.open_run(&run_id("a")).unwrap();
    assert_eq!(run.append(&note("on")).unwrap(), Position(run.summary().entries - 1));
    run.flush().wait().unwrap();
}

/// A file system of 2 MB, where this user may mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(folder).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_is_told_and_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(dir.path()) else {
        eprintln!("skipped: this user may not mount a file system; the bound of the file is tested instead");
        return;
    };
    let state = dir.path().join("state");
    let writer = journal(&state);
    let (acknowledged, error) = fill(&writer);
    assert!(error.is_disk_full(), "{error:?}");
    assert!(acknowledged.0 > 10);
    drop(writer);
    assert_gapless(&state, acknowledged);
}

#[test]
fn a_position_that_another_writer_took_stops_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("a")).unwrap();
    run.flush().wait().unwrap();
    let db = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    let sql =
        "INSERT INTO entries (key, at, kind, denied, format, body) VALUES ((1 << 40) | 1, 5, 'log', 0, 1, x'7b7d')";
    db.execute_batch(sql).unwrap();
    run.append(&note("mine")).unwrap();
    let error = run.flush().wait().unwrap_err();
    assert!(matches!(&error, StoreError::PositionTaken { position: Position(1), .. }), "{error}");
    assert!(matches!(run.append(&note("again")), Err(StoreError::PositionTaken { .. })));
}

#[test]
fn an_entry_that_is_too_large_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("a")).unwrap();
    assert!(matches!(run.append(&note("x".repeat(MAX_BODY))), Err(StoreError::TooLarge { .. })));
    // Larger than the queue, and still taken.
    let large = note("y".repeat(10 << 20));
    let position = run.append(&large).unwrap();
    run.flush().wait().unwrap();
    assert_eq!(position, Position(1));
    let reader = Reader::open(dir.path()).unwrap();
    let line = reader.entries(run.id(), &Filter { after: Some(Position(0)), ..Filter::default() }).unwrap().next();
    assert_eq!(line.unwrap().unwrap().record(), Some(&large));
}

/// A journal with some entries, closed in good order.
fn finished(folder: &Path) -> PathBuf {
    let writer = journal(folder);
    let run = writer.start_run(&started("a")).unwrap();
    for _ in 0..200 {
        run.append(&note("x".repeat(500))).unwrap();
    }
    writer.close().unwrap();
    folder.join("journal.db")
}

/// Reads everything there is; the first error, where there is one.
fn read_all(folder: &Path) -> Result<u64, StoreError> {
    let reader = Reader::open(folder)?;
    let mut count = 0;
    for run in reader.runs()? {
        for line in reader.entries(&run.id, &Filter::default())? {
            line?;
            count += 1;
        }
    }
    Ok(count)
}

#[test]
fn a_truncated_journal_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = finished(dir.path());
    let bytes = std::fs::read(&path).unwrap();
    for length in [1, 15, 50, 100, 511, 512, 4096, 5000, bytes.len() / 2, bytes.len() - 4096, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = read_all(dir.path()).expect_err(&format!("{length} bytes of {}", bytes.len())).to_string();
        assert!(error.contains("journal.db"), "{length}: {error}");
    }
}

#[test]
fn a_scribbled_journal_is_an_error_or_reads_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = finished(dir.path());
    let bytes = std::fs::read(&path).unwrap();
    let mut errors = 0;
    for step in 0..60 {
        let mut bytes = bytes.clone();
        let start = (step * 2011) % (bytes.len() - 64);
        bytes[start..start + 64].iter_mut().for_each(|byte| *byte ^= 0xa5);
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = read_all(dir.path()) {
            errors += 1;
            assert!(error.to_string().contains("journal.db"), "{error}");
        }
    }
    // Much of the file is room that nothing stands in yet.
    assert!(errors > 20, "{errors}");
}

#[test]
fn after_a_crash_damage_is_found_as_the_journal_is_opened() {
    let (running, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let writer = journal(running.path());
    let run = writer.start_run(&started("a")).unwrap();
    for _ in 0..200 {
        run.append(&note("x".repeat(500))).unwrap();
    }
    run.flush().wait().unwrap();
    // The file of a journal that was not closed, with all that the log beside it held.
    let path = running.path().join("journal.db");
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    rusqlite::Connection::open(&path).unwrap().query_row(checkpoint, [], |_| Ok(())).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // The header of a page in the middle: nothing that opening would read by itself.
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 8].fill(0xff);
    let lock = StateLock::acquire(dir.path(), START, "test").unwrap();
    std::fs::write(dir.path().join("journal.db"), &bytes).unwrap();
    let error = Journal::open(lock, Options::default()).err().expect("damage").to_string();
    assert!(error.contains("journal.db is damaged: "), "{error}");
}
