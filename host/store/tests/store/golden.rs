//! The stored form of every kind of entry, held still: `tests/golden/v1/` says what format 1 is.
//!
//! These bytes are hashed and stand in journals that people keep. A change here is a new format, not a new golden file;
//! `LONGHAUL_GOLDEN=write` is for kinds that did not exist before, and for fields that a kind has now and that may be missing.

use crate::samples::{further, journal, run_id, sample, started};
use longhaul_store::{EntryKind, FORMAT, Filter, Reader};
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v{FORMAT}/{name}.json"))
}

#[test]
fn every_kind_is_stored_as_its_golden_file_says_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("golden")).unwrap();
    let mut expected = Vec::new();
    let kinds = EntryKind::ALL.iter().map(|kind| (kind.as_str(), sample(*kind)));
    for (name, record) in kinds.chain(further()) {
        let position = run.append(&record).unwrap();
        expected.push((position, name, EntryKind::of(&record.entry), record));
    }
    writer.close().unwrap();

    let reader = Reader::open(dir.path()).unwrap();
    let id = run_id("golden");
    for (position, name, kind, record) in &expected {
        let body = reader.read_raw(&id, *position).unwrap().unwrap();
        let path = golden(name);
        if std::env::var_os("LONGHAUL_GOLDEN").is_some_and(|value| value == "write") && !path.exists() {
            std::fs::write(&path, &body).unwrap();
        }
        let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(String::from_utf8(body).unwrap(), String::from_utf8(text).unwrap(), "{name}");
        let filter = Filter { kinds: vec![*kind], after: Some(longhaul_core::entry::Position(0)), ..Filter::default() };
        let lines: Vec<_> = reader.entries(&id, &filter).unwrap().map(Result::unwrap).collect();
        let line = lines.iter().find(|line| line.position == *position).expect("the column is the kind in its body");
        assert_eq!(line.record(), Some(record));
        assert_eq!(line.format, FORMAT);
    }
}
