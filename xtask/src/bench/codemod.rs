//! The agent `codemod` over 1000 files, beside a native program that does the same to a copy of them.
//!
//! Both are measured as whole processes, and both results are compared: a fast run that did less would be no result. The
//! host's peak memory is taken from a run of its own by the kernel's account of the finished process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::bench::ground::{median, time, write};
use crate::bench::{BenchError, Ground, Row};
use crate::process;

const FILES: usize = 1000;
const RUNS: usize = 5;
const BOUND_RATIO: f64 = 3.0;
const BOUND_MB: f64 = 60.0;

/// What both programs look for, and what they make of it.
const PATTERN: &str = r"old_call\((\w+)\)";
const REPLACEMENT: &str = "new_call(${1}, Mode::Default)";

/// Times both programs in turn, then takes the memory.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let warm = project(ground, "codemod-warm")?;
    process::capture(&mut longhaul(ground, &warm))?;
    let (mut ours, mut native): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    // In turn, so that a slow moment of the machine meets both.
    for run in 0..RUNS {
        let of_run = |who: &str| project(ground, &format!("codemod-{who}-{run}"));
        let (one, other) = (of_run("longhaul")?, of_run("native")?);
        ours.push(time(&mut longhaul(ground, &one))?);
        native.push(time(ground.native("native_codemod").arg(&other).args([PATTERN, REPLACEMENT]))?);
        same_work(&one, &other)?;
    }
    let ratio = median(ours).as_secs_f64() / median(native).as_secs_f64();
    let memory = peak_memory(ground)?;
    Ok(vec![
        Row::new(format!("codemod over {FILES} files against a native tool"), ratio, BOUND_RATIO, "ratio"),
        Row::new(format!("peak host memory, codemod over {FILES} files"), memory, BOUND_MB, "MB"),
    ])
}

/// The peak of the largest process of a run, compilation children included.
fn peak_memory(ground: &Ground) -> Result<f64, BenchError> {
    let folder = project(ground, "codemod-memory")?;
    let run = longhaul(ground, &folder);
    let mut watched = ground.native("peak_memory");
    watched.current_dir(&folder).arg(run.get_program()).args(run.get_args());
    let text = process::capture(&mut watched)?;
    let line = text.lines().last().unwrap_or_default();
    let bytes: f64 =
        line.parse().map_err(|_| BenchError::NoFigure { program: "peak_memory", line: line.to_owned() })?;
    Ok(bytes / 1e6)
}

fn longhaul(ground: &Ground, folder: &Path) -> Command {
    let mut command = ground.longhaul_in(folder);
    command.args(["run", "codemod.workflow.yaml"]);
    command
}

/// A code base in which every tenth line is to be changed.
fn project(ground: &Ground, name: &str) -> Result<PathBuf, BenchError> {
    let folder = ground.empty_folder(name)?;
    for module in 0..FILES / 50 {
        let path = folder.join(format!("src/module_{module}"));
        fs::create_dir_all(&path).map_err(|source| BenchError::Scratch { path: path.clone(), source })?;
    }
    for file in 0..FILES {
        let module = file / 50;
        let call = |line: usize| format!("    let value_{line} = old_call(argument_{line});\n");
        let plain = |line: usize| format!("    let sum_{line} = {file} + {line}; // nothing to change here\n");
        let body: String = (0..200).map(|line| if line % 10 == 0 { call(line) } else { plain(line) }).collect();
        let text = format!("//! File {file}.\n\nfn work() {{\n{body}}}\n");
        write(&folder.join(format!("src/module_{module}/file_{file}.rs")), &text)?;
    }
    let workflow = format!(
        "version: 1\nname: codemod-bench\nobjective: Replace a call everywhere\nagents:\n  codemod:\n    plugin: codemod\n    config:\n      \
         rules:\n        - {{ name: call, glob: \"src/**/*.rs\", regex: '{PATTERN}', replace: '{REPLACEMENT}' }}\n\
         permissions: {{ fs: {{ read: [\"**\"], write: [\"src/**\"] }} }}\ntasks:\n  change: {{ agent: codemod }}\n"
    );
    write(&folder.join("codemod.workflow.yaml"), &workflow)?;
    Ok(folder)
}

/// Compares the sources of both folders byte by byte.
fn same_work(ours: &Path, native: &Path) -> Result<(), BenchError> {
    let equal = (0..FILES).filter(|file| {
        let name = format!("src/module_{}/file_{file}.rs", file / 50);
        let (one, other) = (fs::read(ours.join(&name)), fs::read(native.join(&name)));
        matches!((one, other), (Ok(one), Ok(other)) if one == other)
    });
    match equal.count() {
        FILES => Ok(()),
        longhaul => Err(BenchError::DifferentWork { longhaul, files: FILES }),
    }
}
