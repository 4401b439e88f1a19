//! Measures the journal and prints JSON lines of `name`, `measured`, `bound`, `unit`.
//!
//! `cargo run --release -p longhaul-store --example measure_store [FOLDER]`; without a folder it makes a scratch one.

#![expect(clippy::print_stdout, reason = "printing its rows is what it is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use longhaul_core::action::{Action, ActionResult};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::{RunId, TaskId};
use longhaul_core::units::{Bytes, Timestamp};
use longhaul_store::{EntryKind, Filter, Journal, Options, Reader, RunJournal, StateLock};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Fits the queue, so that only the caller's part is timed.
const BURST: u64 = 1_000;
const SUSTAINED: u64 = 600_000;
const FLUSHES: u64 = 500;

fn main() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = std::env::args_os().nth(1).map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let lock = StateLock::acquire(&folder, Timestamp(1), "measure").unwrap();
    let journal = Journal::open(lock, Options::default()).unwrap();
    let run = start(&journal, "measure");

    let mut bursts: Vec<f64> = (0..50).map(|_| burst(&run)).collect();
    bursts.sort_by(f64::total_cmp);
    row("append, on the caller, median", bursts[bursts.len() / 2], 3.0, "µs");

    let rate = sustained(&journal, std::slice::from_ref(&run));
    row("entries sustained, one run, durable at the end", rate, 300_000.0, "1/s");
    let three: Vec<_> = ["a", "b", "c"].iter().map(|name| start(&journal, name)).collect();
    row("entries sustained, three runs and threads", sustained(&journal, &three), 300_000.0, "1/s");

    let mut flushes: Vec<f64> = (0..FLUSHES).map(|number| flush(&run, number)).collect();
    flushes.sort_by(f64::total_cmp);
    row("append and flush, median", flushes[flushes.len() / 2], 0.33, "ms");
    row("append and flush, 99 %", flushes[flushes.len() * 99 / 100], 5.0, "ms");

    let (rate, entries) = read(&folder, run.id(), &Filter::default());
    row("entries read and understood", rate, 300_000.0, "1/s");
    let starts = Filter { kinds: vec![EntryKind::RunStarted], ..Filter::default() };
    let (rate, _) = read(&folder, run.id(), &starts);
    row("entries checked and passed over", rate * entries as f64, 600_000.0, "1/s");
    drop((run, three));
    let started = Instant::now();
    journal.close().unwrap();
    row("close", millis(started), 50.0, "ms");
    drop(journal);
    let lock = StateLock::acquire(&folder, Timestamp(1), "measure").unwrap();
    let started = Instant::now();
    let journal = Journal::open(lock, Options::default()).unwrap();
    journal.open_run(&RunId::new("measure").unwrap()).unwrap();
    row("open a journal and a run in it", millis(started), 5.0, "ms");
    let size = std::fs::metadata(folder.join("journal.db")).unwrap().len();
    row("disk, an entry", size as f64 / (entries + SUSTAINED + 3) as f64, 400.0, "B");
}

fn row(name: &str, measured: f64, bound: f64, unit: &str) {
    let measured = (measured * 1000.0).round() / 1000.0;
    let better = if unit == "1/s" { "higher" } else { "lower" };
    println!(
        "{}",
        serde_json::json!({"name": name, "measured": measured, "bound": bound, "unit": unit, "better": better})
    );
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn start(journal: &Journal, name: &str) -> RunJournal {
    let entry = Entry::RunStarted {
        run: RunId::new(name).unwrap(),
        workflow: name.into(),
        file: String::new(),
        source: String::new(),
        base: Digest::of(b"base"),
        host: "0".into(),
        isolation: Vec::new(),
        inputs: serde_json::Map::new(),
        policy: None,
        seed: 0,
        apply: true,
        keep: 3,
        scripts: Default::default(),
    };
    journal.start_run(&Record { at: Timestamp(1), task: None, attempt: None, entry }).unwrap()
}

fn action(number: u64) -> Record {
    let action = Action {
        number,
        capability: Capability::Fs,
        operation: "read".into(),
        resource: "src/some/module/file.rs".into(),
        detail: String::new(),
        calls: 3,
        bytes: Bytes(number),
        digest: Some(Digest::from_bytes([7; 32])),
        exchange: None,
        result: ActionResult::Ok,
    };
    let task = Some(TaskId::new("change[12]").unwrap());
    Record { at: Timestamp(1_795_152_862_125), task, attempt: Some(1), entry: Entry::Action(action) }
}

fn burst(run: &RunJournal) -> f64 {
    let records: Vec<_> = (0..BURST).map(action).collect();
    run.flush().wait().unwrap();
    let started = Instant::now();
    for record in &records {
        run.append(record).unwrap();
    }
    started.elapsed().as_secs_f64() * 1e6 / BURST as f64
}

fn sustained(journal: &Journal, runs: &[RunJournal]) -> f64 {
    let each = SUSTAINED / runs.len() as u64;
    let record = action(7);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for run in runs {
            let record = &record;
            scope.spawn(move || {
                for _ in 0..each {
                    run.append(record).unwrap();
                }
            });
        }
    });
    journal.flush().wait().unwrap();
    (each * runs.len() as u64) as f64 / started.elapsed().as_secs_f64()
}

fn flush(run: &RunJournal, number: u64) -> f64 {
    let record = action(number);
    let started = Instant::now();
    run.append(&record).unwrap();
    run.flush().wait().unwrap();
    millis(started)
}

fn read(folder: &Path, run: &RunId, filter: &Filter) -> (f64, u64) {
    let reader = Reader::open(folder).unwrap();
    let started = Instant::now();
    let count = reader.entries(run, filter).unwrap().map(Result::unwrap).count() as u64;
    (count as f64 / started.elapsed().as_secs_f64(), count)
}
