//! Every write of a journal fails once, or is the last thing that its process did: what was acknowledged is there, and
//! the run goes on behind it.
//!
//! The kernel does it, through `strace`: the call of a number on one of the journal's files fails with an error, or kills
//! the process as it enters. The test starts itself as the process that writes. Calls are counted by thread, and a journal is
//! opened on one and written on another; so the process is traced once from its start, for the calls of the first, and once
//! from when the journal is open, for those of the second.

use crate::samples::{START, journal, note, record, run_id, started};
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::memory::{MemoryScope, MemorySpace, MemoryWrite};
use longhaul_core::outbox::Outbox;
use longhaul_store::{Filter, Journal, MemoryReader, Options, Reader, StateLock, StoreError};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FOLDER: &str = "LONGHAUL_TEST_INJECTED_FOLDER";
/// What changes a file of the journal.
const CALLS: [&str; 5] = ["pwrite64", "fdatasync", "fsync", "ftruncate", "unlink"];
/// More calls than any thread makes here.
const MOST: u32 = 500;

fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nsays {word}").and_then(|()| out.flush()).unwrap();
}

/// The process that writes; without the variable it is no test of its own.
#[test]
fn writes_a_little() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let lock = StateLock::acquire(Path::new(&folder), START, "test").unwrap();
    let Ok(writer) = Journal::open(lock, Options::default()) else { return say("refused") };
    say("open");
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    let run = writer.start_run(&started("a")).unwrap();
    for size in [10, 5000, 300] {
        let written = run.append(&remember(&"x".repeat(size))).and_then(|at| run.flush().wait().map(|()| at));
        match written {
            Ok(at) => say(&format!("{}", at.0)),
            Err(error) => {
                let again = run.append(&note("more")).unwrap_err();
                assert_eq!(again.to_string(), error.to_string(), "it stays failed");
                assert!(writer.start_run(&started("b")).is_err() && writer.close().is_err());
                return say("failed");
            }
        }
    }
    // Closing may fail at its last steps, which nothing depends on.
    say(if writer.close().is_ok() { "closed" } else { "failed" });
}

/// Publishes a key of memory whose value is `text`.
fn remember(text: &str) -> Record {
    let write = MemoryWrite { scope: MemoryScope::Run, key: format!("k{}", text.len()), value: Some(text.into()) };
    record(Some("change[1]"), Entry::Published(Outbox { memory: vec![write], ..Outbox::default() }))
}

/// When tracing begins.
#[derive(Clone, Copy, PartialEq)]
enum From {
    Start,
    Open,
}

struct Ended {
    /// What the process said.
    words: Vec<String>,
    /// Whether the fault came.
    hit: bool,
}

/// What the options of a trace have in common.
fn strace(folder: &Path, log: &Path, call: &str, fault: &str, number: u32) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(log);
    for end in ["", "-wal", "-shm", "-journal"] {
        command.arg("-P").arg(folder.join(format!("journal.db{end}")));
    }
    command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{fault}:when={number}")]);
    command
}

/// Whether all threads of a process are traced, once they are or it has ended.
fn is_traced(process: &Child) -> bool {
    let threads = PathBuf::from(format!("/proc/{}/task", process.id()));
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(10) {
        let traced = threads.read_dir().unwrap().all(|thread| {
            let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default();
            status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"))
        });
        if traced {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// Lets the process write with one fault; none where this user may not trace.
fn write_with(folder: &Path, from: From, call: &str, fault: &str, number: u32) -> Option<Ended> {
    let log = folder.with_extension("trace");
    let mut strace = strace(folder, &log, call, fault, number);
    let exe = std::env::current_exe().unwrap();
    let mut command = match from {
        From::Start => {
            strace.arg(&exe);
            strace
        }
        From::Open => Command::new(&exe),
    };
    command.args(["--exact", "injected::writes_a_little", "--nocapture"]).env(FOLDER, folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().ok()?;
    let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut words: Vec<String> = Vec::new();
    let mut tracer = None;
    for line in lines {
        let Some(word) = line.strip_prefix("says ") else { continue };
        words.push(word.to_owned());
        if word == "open" {
            if from == From::Open {
                let strace = self::strace(folder, &log, call, fault, number);
                tracer = Some(traced(strace, &process)?);
            }
            process.stdin.take().unwrap().write_all(b"\n").unwrap();
        }
    }
    process.wait().unwrap();
    tracer.map(|mut tracer| tracer.wait().unwrap());
    let log = std::fs::read_to_string(&log).unwrap_or_default();
    let hit = if fault.starts_with("signal") { log.contains("killed by SIGKILL") } else { log.contains("(INJECTED)") };
    Some(Ended { words, hit })
}

fn traced(mut strace: Command, process: &Child) -> Option<Child> {
    let mut tracer = strace.args(["-p", &process.id().to_string()]).stderr(Stdio::null()).spawn().ok()?;
    if is_traced(process) {
        return Some(tracer);
    }
    tracer.kill().unwrap();
    tracer.wait().unwrap();
    None
}

/// Everything that was acknowledged is there, without a hole, and more can be appended.
fn assert_goes_on(folder: &Path, words: &[String], case: &str) {
    let acknowledged = words.iter().filter_map(|word| word.parse::<u64>().ok()).max();
    let writer = journal(folder);
    let run = match writer.open_run(&run_id("a")) {
        Err(StoreError::NoSuchRun { .. }) if acknowledged.is_none() => writer.start_run(&started("a")).unwrap(),
        run => run.expect(case),
    };
    let next = run.next_position();
    assert!(acknowledged.is_none_or(|at| next.0 > at), "{case}: {acknowledged:?} was acknowledged, {next:?} is next");
    run.append_at(next, &note("on")).unwrap();
    writer.close().expect(case);
    let reader = Reader::open(folder).unwrap();
    let lines = reader.entries(&run_id("a"), &Filter::default()).unwrap();
    let positions: Vec<_> = lines.map(|line| line.expect(case).position).collect();
    assert_eq!(positions, (0..=next.0).map(Position).collect::<Vec<_>>(), "{case}");
    // Memory is what the entries say, neither more nor less.
    let mut memory = MemoryReader::open(folder).unwrap();
    let sizes = [10, 5000, 300].into_iter().enumerate().map(|(n, size)| (n as u64 + 1 < next.0, size));
    for (is_written, size) in sizes {
        let found = memory.get(&MemorySpace::Run(run_id("a")), &format!("k{size}")).expect(case);
        assert_eq!(found.map(|value| value.as_bytes().len()), is_written.then_some(size), "{case}: k{size}");
    }
}

/// Tries the fault at every call that changes a file.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn at_every_write(fault: &str) {
    let place = tempfile::tempdir().unwrap();
    let place = place.path().canonicalize().unwrap();
    let mut hits = 0;
    for (from, call) in [From::Start, From::Open].into_iter().flat_map(|from| CALLS.map(|call| (from, call))) {
        for number in 1..=MOST {
            let case =
                format!("{fault} at {call} {number} from {}", if from == From::Start { "start" } else { "open" });
            let folder = place.join("state");
            let Some(ended) = write_with(&folder, from, call, fault, number) else {
                assert!(
                    std::env::var_os("CI").is_none(),
                    "`strace` is missing, or may not trace: nothing was injected"
                );
                eprintln!("skipped: `strace` is missing, or this user may not trace; nothing was injected");
                return;
            };
            assert!(!ended.words.is_empty() || ended.hit, "{case}: the process ended by itself");
            let last = ended.words.last().map(String::as_str);
            if !ended.hit {
                assert_eq!(last, Some("closed"), "{case}");
            } else if fault.starts_with("error") {
                assert!(matches!(last, Some("refused" | "failed" | "closed")), "{case}: it ended with {last:?}");
            }
            assert_goes_on(&folder, &ended.words, &case);
            std::fs::remove_dir_all(&folder).unwrap();
            std::fs::remove_file(folder.with_extension("trace")).unwrap();
            if !ended.hit {
                break;
            }
            hits += 1;
            assert!(number < MOST, "{case}: more calls than were expected");
        }
    }
    assert!(hits > 50, "{fault}: {hits} calls");
}

#[test]
fn an_error_at_any_write_loses_nothing_acknowledged() {
    at_every_write("error=EIO");
}

#[test]
fn a_full_disk_at_any_write_loses_nothing_acknowledged() {
    at_every_write("error=ENOSPC");
}

#[test]
fn a_kill_at_any_write_loses_nothing_acknowledged() {
    at_every_write("signal=KILL");
}
