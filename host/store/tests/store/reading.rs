//! Finding runs and entries.

use crate::samples::{action, denied, journal, note, run_id, sample, started};
use longhaul_core::action::ActionResult;
use longhaul_core::entry::{Entry, Position};
use longhaul_core::grant::Capability;
use longhaul_core::id::TaskId;
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::{Fuel, Timestamp};
use longhaul_store::{Content, EntryKind, Filter, Reader, ResolveError, StoreError};

#[test]
fn a_run_is_named_by_id_by_prefix_or_as_the_last() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Reader::open(dir.path()), Err(StoreError::Missing { .. })));
    let writer = journal(dir.path());
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(
        reader.resolve("last").unwrap_err().to_string(),
        "there are no runs yet; start one with `longhaul run WORKFLOW`"
    );
    for (index, name) in ["20261120-aa", "20261120-ab", "20261121-c", "20261120-a"].iter().enumerate() {
        let mut record = started(name);
        record.at = Timestamp(record.at.0 + index as u64);
        writer.start_run(&record).unwrap();
    }
    writer.flush().wait().unwrap();

    let resolve = |text| reader.resolve(text).map(|id| id.to_string());
    assert_eq!(resolve("last").unwrap(), "20261120-a");
    assert_eq!(resolve("20261121").unwrap(), "20261121-c");
    assert_eq!(resolve("20261120-ab").unwrap(), "20261120-ab");
    // An id that is also the beginning of others is that id.
    assert_eq!(resolve("20261120-a").unwrap(), "20261120-a");
    let error = resolve("20261120").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`20261120` fits several runs: 20261120-a, 20261120-ab, 20261120-aa; give more of its id"
    );
    assert!(matches!(error, ResolveError::Ambiguous { candidates, .. } if candidates.len() == 3));
    for nonsense in ["2027", "", "../etc", "%", "' OR 1=1", "20261120-A"] {
        assert!(matches!(resolve(nonsense), Err(ResolveError::NoneFits { .. })), "{nonsense}");
    }
    let listed: Vec<_> = reader.runs().unwrap().into_iter().map(|run| run.id.to_string()).collect();
    assert_eq!(listed, ["20261120-a", "20261121-c", "20261120-ab", "20261120-aa"]);
}

#[test]
fn filters_choose_entries() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("a")).unwrap();
    for number in 0..600 {
        run.append(&if number % 100 == 99 { denied(number) } else { action(number, ActionResult::Ok) }).unwrap();
    }
    let mut other = note("elsewhere");
    other.task = Some(TaskId::new("test").unwrap());
    other.attempt = Some(1);
    run.append(&other).unwrap();
    run.flush().wait().unwrap();

    let reader = Reader::open(dir.path()).unwrap();
    let positions = |filter: Filter| -> Vec<u64> {
        reader.entries(&run_id("a"), &filter).unwrap().map(|line| line.unwrap().position.0).collect()
    };
    let all = Filter::default;
    assert_eq!(positions(all()), (0..602).collect::<Vec<_>>());
    assert_eq!(positions(Filter { denied: true, ..all() }), [100, 200, 300, 400, 500, 600]);
    assert_eq!(positions(Filter { task: Some(TaskId::new("test").unwrap()), ..all() }), [601]);
    assert_eq!(positions(Filter { attempt: Some(1), ..all() }), [601]);
    assert_eq!(positions(Filter { kinds: vec![EntryKind::Log, EntryKind::RunStarted], ..all() }), [0, 601]);
    assert_eq!(positions(Filter { capability: Some(Capability::Http), ..all() }), [0_u64; 0]);
    assert_eq!(positions(Filter { after: Some(Position(598)), limit: Some(2), ..all() }), [599, 600]);
    assert_eq!(positions(Filter { after: Some(Position(601)), ..all() }), [0_u64; 0]);
    assert_eq!(positions(Filter { after: Some(Position(u64::MAX)), ..all() }), [0_u64; 0]);
    assert_eq!(positions(Filter { limit: Some(0), ..all() }), [0_u64; 0]);
    // More than a page, ending inside one.
    assert_eq!(positions(Filter { limit: Some(300), ..all() }), (0..300).collect::<Vec<_>>());
    assert_eq!(reader.read_raw(&run_id("a"), Position(602)).unwrap(), None);
    assert!(matches!(reader.read_raw(&run_id("b"), Position(0)), Err(StoreError::NoSuchRun { .. })));
}

#[test]
fn a_watcher_reads_on_from_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("a")).unwrap();
    let reader_of = |after| Filter { after, ..Filter::default() };
    run.flush().wait().unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let mut last = None;
    for text in ["one", "two", "three"] {
        run.append(&note(text)).unwrap();
        run.flush().wait().unwrap();
        let lines: Vec<_> = reader.entries(run.id(), &reader_of(last)).unwrap().map(Result::unwrap).collect();
        last = lines.last().map(|line| line.position);
        let Some(Entry::Log { message, .. }) = lines.last().and_then(|l| l.record()).map(|r| &r.entry) else {
            panic!()
        };
        assert_eq!(message, text);
    }
    assert_eq!(last, Some(Position(3)));
}

#[test]
fn a_summary_counts_what_a_report_tells() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    let run = writer.start_run(&started("a")).unwrap();
    for kind in &EntryKind::ALL[1..] {
        run.append(&sample(*kind)).unwrap();
    }
    run.append(&action(8, ActionResult::Ok)).unwrap();
    run.flush().wait().unwrap();
    let info = Reader::open(dir.path()).unwrap().run(&run_id("a")).unwrap();
    let summary = info.summary;
    assert_eq!(info.workflow, "modernise");
    assert_eq!(
        (summary.entries, summary.actions, summary.denials, summary.incidents),
        (EntryKind::ALL.len() as u64 + 1, 2, 1, 1)
    );
    assert_eq!((summary.attempts, summary.fuel, summary.changes, summary.applied), (1, Fuel(1_234_567), 1, Some(12)));
    // The run went back to where these were its tasks.
    assert_eq!((summary.tasks.total(), summary.tasks.of(TaskState::Completed)), (3, 2));
    assert_eq!(summary.state, Some(RunState::Completed));
    assert!(summary.ended.is_some());
}

/// The sum of an entry without task, attempt and capability, as the stored form says.
fn sum_of(key: i64, at: i64, kind: &str, format: i64, body: &str) -> i32 {
    let number = |n: i64| [&[1][..], &n.to_le_bytes()].concat();
    let bytes = |tag: u8, text: &str| [&[tag][..], &text.len().to_le_bytes(), text.as_bytes()].concat();
    let null = vec![0];
    let columns = [
        number(key),
        number(at),
        bytes(3, kind),
        null.clone(),
        null.clone(),
        null.clone(),
        number(0),
        number(format),
        null,
        bytes(4, body),
    ];
    crc32fast::hash(&[b"entries".to_vec(), columns.concat()].concat()).cast_signed()
}

#[test]
fn what_a_later_version_wrote_is_shown_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let writer = journal(dir.path());
    writer.start_run(&started("a")).unwrap();
    writer.close().unwrap();
    drop(writer);
    let body = r#"{"at":5,"kind":"telepathy","with":"moon","n":18446744073709551615}"#;
    let db = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    let sql =
        "INSERT INTO entries (key, at, kind, denied, format, body, sum) VALUES (?1, 5, 'telepathy', 0, 2, ?2, ?3)";
    let key: i64 = (1 << 40) | 1;
    db.execute(sql, (key, body.as_bytes(), sum_of(key, 5, "telepathy", 2, body))).unwrap();

    let writer = journal(dir.path());
    let run = writer.open_run(&run_id("a")).unwrap();
    // The summary beside the entries knew nothing of that entry; the entries did.
    assert_eq!(run.summary().entries, 2);
    assert_eq!(run.append(&note("after")).unwrap(), Position(2));
    run.flush().wait().unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let lines: Vec<_> = reader.entries(&run_id("a"), &Filter::default()).unwrap().map(Result::unwrap).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1].body, body.as_bytes());
    let Content::Unknown(value) = &lines[1].content else { panic!("known") };
    assert_eq!(value["with"], "moon");
}
