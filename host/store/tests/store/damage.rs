//! A journal's file with any bit flipped, or cut off anywhere: the content as it was, or a typed error; nothing else.
//!
//! The journal is small and its pages are too, so that all of its bits can be tried.

use crate::samples::{START, denied, journal, note, run_id, started};
use longhaul_core::entry::Position;
use longhaul_store::{EntryKind, Filter, Journal, Line, Options, Reader, RunInfo, StateLock, StoreError};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

const FILE: &str = "journal.db";

/// Everything that a journal says.
#[derive(Debug, PartialEq)]
struct Content {
    runs: Vec<RunInfo>,
    lines: Vec<Vec<Line>>,
    denied: Vec<Line>,
}

fn read(folder: &Path) -> Result<Content, StoreError> {
    let reader = Reader::open(folder)?;
    let runs = reader.runs()?;
    let all = |run: &RunInfo| reader.entries(&run.id, &Filter::default())?.collect();
    Ok(Content {
        lines: runs.iter().map(all).collect::<Result<_, _>>()?,
        denied: reader
            .entries(&run_id("a"), &Filter { denied: true, ..Filter::default() })?
            .collect::<Result<_, _>>()?,
        runs,
    })
}

/// A state folder with a journal of two runs in pages of 512 bytes.
fn small(folder: &Path) {
    let writer = journal(folder);
    for name in ["a", "b"] {
        let run = writer.start_run(&started(name)).unwrap();
        run.append(&note("one")).unwrap();
        run.append(&denied(2)).unwrap();
    }
    // Kept apart.
    writer.open_run(&run_id("a")).unwrap().append(&note("x".repeat(3900))).unwrap();
    writer.close().unwrap();
    drop(writer);
    let db = rusqlite::Connection::open(folder.join(FILE)).unwrap();
    let pages = "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM; PRAGMA journal_mode = WAL;";
    db.execute_batch(pages).unwrap();
}

/// A folder with a journal file of these bytes.
fn folder_with(bytes: &[u8]) -> (tempfile::TempDir, File) {
    let dir = tempfile::tempdir().unwrap();
    drop(StateLock::acquire(dir.path(), START, "test").unwrap());
    let path = dir.path().join(FILE);
    fs::write(&path, bytes).unwrap();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    (dir, file)
}

/// Whether the error says what to do about a damaged file.
fn is_of_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Damaged { .. } | StoreError::NotAJournal { .. } | StoreError::Newer { .. })
}

/// The bits of a byte that are tried: all in pages with entries, two elsewhere (all of them take a minute and were tried
/// once), and of a long row of one letter those of a few bytes.
fn bits_to_flip(bytes: &[u8], at: usize) -> Vec<u32> {
    let page = &bytes[at / 512 * 512..][..512];
    let has_entries = page.windows(6).any(|text| text == b"\"kind\"");
    let is_filling = bytes[at.saturating_sub(1)..].starts_with(b"xxx") && at % 64 > 1;
    match (is_filling, has_entries) {
        (true, _) => Vec::new(),
        (false, true) => (0..8).collect(),
        (false, false) => vec![at as u32 % 8, (at as u32 + 3) % 8],
    }
}

#[test]
fn any_flipped_bit_is_told_or_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    let bytes = fs::read(dir.path().join(FILE)).unwrap();
    let whole = read(dir.path()).unwrap();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let told: usize = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| {
                let (bytes, whole) = (&bytes, &whole);
                scope.spawn(move || {
                    let (dir, file) = folder_with(bytes);
                    let mut told = 0;
                    for at in (part..bytes.len()).step_by(threads) {
                        for bit in bits_to_flip(bytes, at) {
                            file.write_all_at(&[bytes[at] ^ (1 << bit)], at as u64).unwrap();
                            match read(dir.path()) {
                                Ok(content) => assert!(content == *whole, "bit {bit} of byte {at}: other content"),
                                Err(error) => {
                                    assert!(is_of_damage(&error), "bit {bit} of byte {at}: {error:?}");
                                    told += 1;
                                }
                            }
                        }
                        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
                    }
                    told
                })
            })
            .collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    });
    assert!(told > bytes.len(), "much of the file is content: {told} flips of {} bytes", bytes.len());
}

#[test]
fn a_flipped_bit_takes_nothing_out_of_what_is_read_of_some_kinds() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    let bytes = fs::read(dir.path().join(FILE)).unwrap();
    let kinds = vec![EntryKind::RunStarted, EntryKind::Action];
    let read = |folder: &Path| -> Result<Vec<Line>, StoreError> {
        Reader::open(folder)?.entries(&run_id("a"), &Filter { kinds: kinds.clone(), ..Filter::default() })?.collect()
    };
    let whole = read(dir.path()).unwrap();
    assert_eq!(whole.len(), 2);
    let (dir, file) = folder_with(&bytes);
    let mut told = 0;
    for at in 0..bytes.len() {
        for bit in bits_to_flip(&bytes, at) {
            file.write_all_at(&[bytes[at] ^ (1 << bit)], at as u64).unwrap();
            match read(dir.path()) {
                Ok(lines) => assert!(lines == whole, "bit {bit} of byte {at}: {lines:?}"),
                Err(error) => {
                    assert!(is_of_damage(&error), "bit {bit} of byte {at}: {error:?}");
                    told += 1;
                }
            }
        }
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
    }
    assert!(told > 1_000, "{told}");
}

#[test]
fn what_is_written_to_a_damaged_file_is_told_or_kept() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    let bytes = fs::read(dir.path().join(FILE)).unwrap();
    let whole = read(dir.path()).unwrap().lines;
    for (at, mask) in (0..bytes.len()).step_by(11).zip([0x01, 0x80, 0x24, 0xff].into_iter().cycle()) {
        let (dir, file) = folder_with(&bytes);
        file.write_all_at(&[bytes[at] ^ mask], at as u64).unwrap();
        let lock = StateLock::acquire(dir.path(), START, "test").unwrap();
        let append = |writer: Journal| {
            writer.open_run(&run_id("b"))?.append(&note("more"))?;
            writer.close()
        };
        let written = Journal::open(lock, Options::default()).and_then(append);
        match (written, read(dir.path())) {
            (Ok(()), Ok(content)) => {
                assert_eq!((content.lines[0].len(), content.lines[1].len()), (4, 4), "byte {at}");
                assert!(content.lines[0][..3] == whole[0][..3] && content.lines[1][..3] == whole[1][..3], "byte {at}");
            }
            (written, content) => {
                for error in [written.err(), content.err()].into_iter().flatten() {
                    assert!(is_of_damage(&error), "byte {at}: {error:?}");
                }
            }
        }
    }
}

#[test]
fn a_file_cut_off_anywhere_is_told() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    let bytes = fs::read(dir.path().join(FILE)).unwrap();
    let whole = read(dir.path()).unwrap();
    let odd = [1, 15, 16, 17, 99, 100, 101, bytes.len() - 1];
    for length in (0..bytes.len()).step_by(512).chain(odd) {
        let (dir, _) = folder_with(&bytes[..length]);
        match read(dir.path()) {
            // The last page is not full.
            Ok(content) => assert!(content == whole && length > bytes.len() - 512, "{length}: other content"),
            Err(StoreError::Missing { .. }) => assert_eq!(length, 0),
            Err(error) => assert!(is_of_damage(&error), "{length}: {error:?}"),
        }
    }
}

#[test]
fn a_torn_log_leaves_the_first_entries_and_the_run_goes_on_behind_them() {
    let running = tempfile::tempdir().unwrap();
    let writer = journal(running.path());
    let run = writer.start_run(&started("a")).unwrap();
    for number in 0..6 {
        run.flush().wait().unwrap();
        run.append(&note(format!("{number}"))).unwrap();
    }
    run.flush().wait().unwrap();
    let [database, log] = [FILE, "journal.db-wal"].map(|name| fs::read(running.path().join(name)).unwrap());
    let whole = read_lines(running.path()).unwrap();
    let mut lengths = std::collections::BTreeSet::new();
    for length in (0..=log.len()).step_by(512).chain([1, 31, 32, 33, log.len() - 1, log.len()]) {
        let (dir, _) = folder_with(&database);
        fs::write(dir.path().join("journal.db-wal"), &log[..length]).unwrap();
        let found = match read_lines(dir.path()) {
            Ok(lines) => lines,
            // The log was cut off before it held the first run, or the journal itself.
            Err(StoreError::Missing { .. } | StoreError::NoSuchRun { .. }) => Vec::new(),
            Err(error) => panic!("{length}: {error:?}"),
        };
        assert!(whole.starts_with(&found), "{length} bytes: {} entries", found.len());
        lengths.insert(found.len());
        if found.is_empty() {
            continue;
        }
        let next = journal(dir.path()).open_run(&run_id("a")).unwrap();
        assert_eq!(next.append(&note("on")).unwrap(), Position(found.len() as u64), "{length} bytes");
        next.flush().wait().unwrap();
        assert_eq!(read_lines(dir.path()).unwrap()[..found.len()], found, "{length} bytes");
    }
    assert_eq!(lengths, (0..=7).collect(), "each flush was cut off once");
}

fn read_lines(folder: &Path) -> Result<Vec<Line>, StoreError> {
    Reader::open(folder)?.entries(&run_id("a"), &Filter::default())?.collect()
}
