//! Fills what is recorded, and keeps open what can be opened.

use crate::Input;
use crate::probe::{Probe, Refusal, open, open_as, root};
use longhaul_sdk::{Failure, context, log};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use wasip2::filesystem::types::{DescriptorFlags, ErrorCode, OpenFlags};

/// As many as anybody could want.
const MANY: usize = 1_000_000;

pub(crate) fn log_endless(_: &Input) -> Result<Value, Failure> {
    loop {
        log::info("the same line again");
    }
}

pub(crate) fn log_empty(_: &Input) -> Result<Value, Failure> {
    loop {
        log::info("");
    }
}

pub(crate) fn log_huge(_: &Input) -> Result<Value, Failure> {
    log::info("x".repeat(10 << 20));
    Ok(json!({}))
}

pub(crate) fn log_many(_: &Input) -> Result<Value, Failure> {
    for line in 0..100_000 {
        log::info(format!("line {line}"));
    }
    Ok(json!({}))
}

pub(crate) fn stderr_huge(_: &Input) -> Result<Value, Failure> {
    let mut stderr = std::io::stderr().lock();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..10 {
        stderr.write_all(&block)?;
    }
    for line in 0..5_000 {
        writeln!(stderr, "line {line}")?;
    }
    Ok(json!({}))
}

pub(crate) fn progress_endless(_: &Input) -> Result<Value, Failure> {
    for done in 0.. {
        context::progress(done, None, "x".repeat(1_000));
    }
    Ok(json!({}))
}

pub(crate) fn stat_endless(_: &Input) -> Result<Value, Failure> {
    loop {
        fs::metadata("src/lib.rs")?;
    }
}

pub(crate) fn clock_endless(_: &Input) -> Result<Value, Failure> {
    loop {
        std::hint::black_box(wasip2::clocks::monotonic_clock::now());
    }
}

pub(crate) fn usage_endless(_: &Input) -> Result<Value, Failure> {
    loop {
        std::hint::black_box(context::usage());
    }
}

/// Long texts in every place of a record that takes one.
pub(crate) fn detail_huge(_: &Input) -> Result<Value, Failure> {
    let root = root().map_err(failed)?;
    let long = "x/".repeat(1 << 20);
    let mut probe = Probe::default();
    probe.attempt("open", || open(&root, &long).map(drop));
    probe.attempt("rename to", || root.rename_at("src/lib.rs", &root, &long));
    probe
        .attempt("link to", || root.link_at(wasip2::filesystem::types::PathFlags::empty(), "src/lib.rs", &root, &long));
    probe.attempt("symlink to", || root.symlink_at(&long, "src/long"));
    probe.attempt("exec", || longhaul_sdk::exec::run(&longhaul_sdk::exec::Command::new([long.clone()])).map(drop));
    Ok(probe.report())
}

/// Few calls, each with a name as long as a record takes.
pub(crate) fn names_endless(_: &Input) -> Result<Value, Failure> {
    let root = root().map_err(failed)?;
    let long = format!("../{}", "x".repeat(4_000));
    loop {
        drop(open(&root, &long));
    }
}

/// Keeps what `make` makes until it fails.
fn keep_all<T>(mut make: impl FnMut() -> Result<T, ErrorCode>) -> Value {
    let mut kept = Vec::new();
    for _ in 0..MANY {
        match make() {
            Ok(one) => kept.push(one),
            Err(error) => return json!({ "kept": kept.len(), "error": error.word() }),
        }
    }
    json!({ "kept": kept.len() })
}

pub(crate) fn files_open(_: &Input) -> Result<Value, Failure> {
    let root = root().map_err(failed)?;
    Ok(keep_all(|| open(&root, "src/lib.rs")))
}

pub(crate) fn folders_open(_: &Input) -> Result<Value, Failure> {
    let root = root().map_err(failed)?;
    Ok(keep_all(|| open(&root, "src")))
}

pub(crate) fn listings_open(_: &Input) -> Result<Value, Failure> {
    let root = root().map_err(failed)?;
    Ok(keep_all(|| root.read_directory()))
}

pub(crate) fn streams_open(_: &Input) -> Result<Value, Failure> {
    let file = open(&root().map_err(failed)?, "src/lib.rs").map_err(failed)?;
    Ok(keep_all(|| file.read_via_stream(0)))
}

pub(crate) fn timers_open(_: &Input) -> Result<Value, Failure> {
    Ok(keep_all(|| Ok(wasip2::clocks::monotonic_clock::subscribe_duration(1))))
}

pub(crate) fn files_made(_: &Input) -> Result<Value, Failure> {
    for made in 0..200_000 {
        if let Err(error) = fs::write(format!("src/{made}"), "") {
            return Ok(json!({ "made": made, "error": format!("{:?}", error.kind()) }));
        }
    }
    Ok(json!({ "made": 200_000 }))
}

/// Makes as many entries as it may, and keeps listings of them open.
pub(crate) fn listing_huge(input: &Input) -> Result<Value, Failure> {
    files_made(input)?;
    let root = root().map_err(failed)?;
    let src = open(&root, "src").map_err(failed)?;
    Ok(keep_all(|| src.read_directory()))
}

pub(crate) fn disk(_: &Input) -> Result<Value, Failure> {
    let mut file = fs::File::create("src/big")?;
    let block = vec![7; 256 << 10];
    for blocks in 0..MANY {
        if let Err(error) = file.write_all(&block) {
            return Ok(json!({ "blocks": blocks, "error": format!("{:?}", error.kind()) }));
        }
    }
    Ok(json!({ "blocks": MANY }))
}

/// Places that no file has.
pub(crate) fn far_offsets(_: &Input) -> Result<Value, Failure> {
    let root = root().map_err(failed)?;
    let both = DescriptorFlags::READ | DescriptorFlags::WRITE;
    let file = open_as(&root, "src/far", OpenFlags::CREATE, both).map_err(failed)?;
    let mut probe = Probe::default();
    for far in [u64::MAX, u64::MAX - 1, i64::MAX as u64, 1 << 50] {
        probe.attempt(&format!("write at {far}"), || file.write(b"xy", far));
        probe.attempt(&format!("size {far}"), || file.set_size(far));
        probe.attempt(&format!("write stream at {far}"), || {
            let stream = file.write_via_stream(far)?;
            stream.blocking_write_and_flush(b"xy").map_err(|_| ErrorCode::Io)
        });
    }
    let nothing = file.read(10, u64::MAX).map_err(failed)?;
    Ok(json!({ "tries": probe.report()["tries"], "read": nothing.0.len(), "size": file.stat().map_err(failed)?.size }))
}

pub(crate) fn failed(error: ErrorCode) -> Failure {
    Failure::fatal(format!("the guest could not begin: {}", error.name()))
}
