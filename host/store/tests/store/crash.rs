//! A process that is killed while it writes: what it said was on disk is there, and nothing has gaps.
//!
//! The test starts itself as the process to be killed. It prints `RUN POSITION` after each flush, so what the parent has
//! read is exactly what was acknowledged. Kills come after a random number of such lines, from `SIGKILL`.

use crate::samples::{journal, note, run_id, started};
use longhaul_store::{Filter, Reader, StateLock};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const FOLDER: &str = "LONGHAUL_TEST_CRASH_FOLDER";
const RUNS: [&str; 3] = ["a", "b", "c"];
const KILLS: u32 = 24;

/// The process to be killed; without the variable it is no test of its own.
#[test]
fn writes_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let writer = journal(Path::new(&folder));
    std::thread::scope(|scope| {
        for (index, name) in RUNS.iter().enumerate() {
            let writer = &writer;
            scope.spawn(move || {
                let run = writer.open_run(&run_id(name)).or_else(|_| writer.start_run(&started(name))).unwrap();
                for step in 0.. {
                    // Some entries that nobody waits for, some large ones that are kept apart.
                    let size = if step % 17 == 0 { 6000 } else { 20 + step % 300 };
                    let position = run.append(&note("x".repeat(size))).unwrap();
                    if step % (index + 2) == 0 {
                        run.flush().wait().unwrap();
                        let mut out = std::io::stdout().lock();
                        writeln!(out, "ack {name} {}", position.0).and_then(|()| out.flush()).unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
    let mut random = u64::from(std::process::id());
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::writes_until_killed", "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Knuth's MMIX generator: any spread of moments does.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lines_before_kill = 1 + (random >> 33) % 60;
        let mut seen = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            // What was written before the kill and is read after it was acknowledged too.
            let line = line.unwrap();
            if let Some((name, position)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) {
                if let Ok(position) = position.parse() {
                    acknowledged.insert(name.to_owned(), position);
                }
                seen += 1;
                if seen == lines_before_kill {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(seen >= lines_before_kill, "kill {kill}: the writer ended by itself");
        assert_eq!(StateLock::holder(dir.path()).unwrap(), None, "the lock died with its holder");

        let reader = Reader::open(dir.path()).unwrap();
        for (name, position) in &acknowledged {
            let id = run_id(name);
            let lines = reader.entries(&id, &Filter::default()).unwrap();
            let positions: Vec<_> = lines.map(|line| line.unwrap().position.0).collect();
            assert_eq!(positions, (0..positions.len() as u64).collect::<Vec<_>>(), "kill {kill}, run {name}");
            assert!(positions.len() as u64 > *position, "kill {kill}, run {name}: {position} was acknowledged");
            assert_eq!(
                reader.run(&id).unwrap().summary,
                reader.rebuild_summary(&id).unwrap(),
                "kill {kill}, run {name}"
            );
        }
    }
    assert_eq!(acknowledged.len(), RUNS.len(), "every run was written to");
}
