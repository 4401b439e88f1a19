//! Measures what tamper evidence costs and prints JSON lines of `name`, `measured`, `bound`, `unit`.
//!
//! `cargo run --release -p longhaul-audit --example measure_audit`

#![expect(clippy::print_stdout, reason = "printing its rows is what it is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use longhaul_audit::key::KeyRing;
use longhaul_audit::note::{Checkpoint, KeyName, Origin, SignerKey};
use longhaul_audit::tree::{Frontier, LeafHash, Tree, TreeHead, TreeSize};
use longhaul_audit::verify::{Ending, StoredEntry, StoredHead, Trust, verify};
use longhaul_core::entry::Position;
use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;

const ENTRIES: u64 = 1_000_000;
/// A usual entry.
const BYTES: usize = 300;
/// How many entries a head covers anew.
const EVERY: u64 = 100;

fn main() {
    let leaves = median(|| each(ENTRIES, |at| LeafHash::of(&entry(at))));
    let appended = median(|| {
        let mut frontier = Frontier::new();
        each(ENTRIES, |at| frontier.append(&entry(at)))
    });
    row("hash of one entry", leaves * 1e9, 300.0, "ns");
    row("append to the frontier besides the hash", (appended - leaves) * 1e9, 300.0, "ns");
    let kept = median(|| {
        let mut tree = Tree::new();
        each(ENTRIES, |at| tree.append(&entry(at)))
    });
    row("append to the whole tree besides the hash", (kept - leaves) * 1e9, 300.0, "ns");

    let mut frontier = Frontier::new();
    for at in 0..ENTRIES - 1 {
        frontier.append(&entry(at));
    }
    row("root of the frontier", median(|| each(10_000, |_| frontier.head())) * 1e9, 5_000.0, "ns");

    let key = SignerKey::from_seed(KeyName::new("example.org/longhaul").unwrap(), &[1; 32]);
    let origin = Origin::new("example.org/longhaul/run").unwrap();
    let sign = |head: TreeHead| Checkpoint::new(origin.clone(), head).sign([&key]).unwrap().to_string();
    let note = sign(frontier.head());
    let head = frontier.head();
    row("sign a head", median(|| each(2_000, |_| sign(head))) * 1e6, 100.0, "µs");
    let open = || Checkpoint::open(note.as_bytes(), [key.verifier()]).unwrap();
    row("verify the signature of a head", median(|| each(2_000, |_| open())) * 1e6, 200.0, "µs");

    for every in [ENTRIES, EVERY] {
        let mut frontier = Frontier::new();
        let mut heads = Vec::new();
        for at in 0..ENTRIES {
            frontier.append(&entry(at));
            if (at + 1) % every == 0 {
                heads.push((frontier.head().size, sign(frontier.head())));
            }
        }
        let ring = KeyRing::new(key.verifier().clone());
        let trust = Trust { origin: &origin, ring: &ring, held: &[], ending: Ending::Sealed, since: Frontier::new() };
        let start = Instant::now();
        let entries =
            (0..ENTRIES).map(|at| Ok::<_, Infallible>(StoredEntry { at: Position(at), bytes: entry(at), leaf: None }));
        let stored = heads.iter().map(|(at, note)| Ok(StoredHead { at: *at, note }));
        let report = verify(&trust, entries, stored).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        assert!(report.is_intact() && report.proven.size() == TreeSize::new(ENTRIES).unwrap());
        row(&format!("verify a million entries, {} heads", heads.len()), seconds, 3.0, "s");
    }
}

/// The entry at a position: bytes that differ, made in next to no time.
fn entry(at: u64) -> [u8; BYTES] {
    let mut bytes = [b'x'; BYTES];
    bytes[..8].copy_from_slice(&at.to_be_bytes());
    bytes
}

/// Seconds for each of `number` calls.
fn each<T>(number: u64, mut call: impl FnMut(u64) -> T) -> f64 {
    let start = Instant::now();
    for at in 0..number {
        black_box(call(at));
    }
    start.elapsed().as_secs_f64() / number as f64
}

/// The middle one of five.
fn median(mut measure: impl FnMut() -> f64) -> f64 {
    let mut all: Vec<f64> = (0..5).map(|_| measure()).collect();
    all.sort_by(f64::total_cmp);
    all[2]
}

fn row(name: &str, measured: f64, bound: f64, unit: &str) {
    println!(r#"{{"name":"audit: {name}","measured":{measured:.3},"bound":{bound},"unit":"{unit}"}}"#);
}
