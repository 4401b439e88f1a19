//! Measures memory and prints JSON lines of `name`, `measured`, `bound`, `unit`.
//!
//! `cargo run --release -p longhaul-store --example measure_memory`. Words are as frequent as in a language: few of them make most of a
//! text, and most are rare. Queries are made of the words of the texts that they look for.

#![expect(clippy::print_stdout, reason = "printing its rows is what it is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::{Name, RunId, TaskId};
use longhaul_core::memory::{Finder, MemoryScope, MemorySpace, MemoryWrite};
use longhaul_core::outbox::Outbox;
use longhaul_core::units::Timestamp;
use longhaul_store::{Journal, MemoryReader, Options, StateLock};
use std::time::Instant;

const MEMORIES: u64 = 100_000;
/// Memories that one entry writes.
const AT_ONCE: u64 = 1_000;
/// Words of a text, and words that there are.
const WORDS: u64 = 40;
const VOCABULARY: f64 = 50_000.0;
const QUERIES: u64 = 300;
const HITS: usize = 10;

fn main() {
    let scratch = tempfile::tempdir().unwrap();
    let lock = StateLock::acquire(scratch.path(), Timestamp(1), "measure").unwrap();
    let journal = Journal::open(lock, Options::default()).unwrap();
    let run = RunId::new("measure").unwrap();
    let started = Entry::RunStarted {
        run: run.clone(),
        workflow: "measure".into(),
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
    let writer = journal.start_run(&Record { at: Timestamp(1), task: None, attempt: None, entry: started }).unwrap();
    let mut dice = Dice(1);
    let began = Instant::now();
    for entry in 0..MEMORIES / AT_ONCE {
        let write = |number| MemoryWrite {
            scope: MemoryScope::Workflow,
            key: format!("note {:06}", entry * AT_ONCE + number),
            value: Some(text(&mut Dice(entry * AT_ONCE + number + 7)).as_str().into()),
        };
        let outbox = Outbox { memory: (0..AT_ONCE).map(write).collect(), ..Outbox::default() };
        let task = Some(TaskId::new("note").unwrap());
        writer.append(&Record { at: Timestamp(1), task, attempt: Some(1), entry: Entry::Published(outbox) }).unwrap();
    }
    writer.flush().wait().unwrap();
    let each = began.elapsed().as_secs_f64() * 1e6 / MEMORIES as f64;
    row("memory: a write of 40 words, indexed, each", each, 250.0, "µs");

    let space = MemorySpace::Workflow(Name::new("measure").unwrap());
    let mut reader = MemoryReader::open(scratch.path()).unwrap();
    let began = Instant::now();
    assert_eq!(reader.taken(&space).unwrap().keys, MEMORIES);
    row("memory: first look at 100 000 memories, all checked", millis(began), 500.0, "ms");

    let mut times: Vec<f64> = (0..QUERIES)
        .map(|_| {
            let wanted = dice.below(MEMORIES);
            let words = text(&mut Dice(wanted + 7));
            let words: Vec<&str> = words.split(' ').collect();
            let query: Vec<&str> = (0..3).map(|_| words[dice.below(WORDS) as usize]).collect();
            search(&mut reader, &space, &query.join(" "))
        })
        .collect();
    times.sort_by(f64::total_cmp);
    row("memory: search over 100 000 for three words, median", times[times.len() / 2], 10.0, "ms");
    row("memory: search over 100 000 for three words, 90 %", times[times.len() * 9 / 10], 10.0, "ms");
    let common = search(&mut reader, &space, "w0 w1 w2");
    row("memory: search over 100 000 for the three commonest words", common, 250.0, "ms");
}

fn search(reader: &mut MemoryReader, space: &MemorySpace, query: &str) -> f64 {
    let began = Instant::now();
    let finder = Finder::new(query);
    let found = reader.find(space, &finder, HITS).unwrap();
    let hits = finder.rank(found, std::iter::empty(), HITS);
    assert!(!hits.is_empty());
    millis(began)
}

/// A text whose words are as frequent as their rank says.
fn text(dice: &mut Dice) -> String {
    let word = |dice: &mut Dice| {
        let share = dice.below(1 << 32) as f64 / (1_u64 << 32) as f64;
        // Zipf's law: the chance of a word is in inverse proportion to its rank.
        format!("w{}", VOCABULARY.powf(share) as u64 - 1)
    };
    (0..WORDS).map(|_| word(dice)).collect::<Vec<_>>().join(" ")
}

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn row(name: &str, measured: f64, bound: f64, unit: &str) {
    let measured = (measured * 1000.0).round() / 1000.0;
    println!("{}", serde_json::json!({"name": name, "measured": measured, "bound": bound, "unit": unit}));
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
