//! Simulates many runs and prints what they came to, a line of JSON for each size of project: `cargo xtask simulate`.
//!
//! Each line is measured by a process of its own, so that they do not share a peak of memory. A run that is lost is told with the
//! command that gives it again, and counted.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing its figures is what it is for")]
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

use clap::{Parser, ValueEnum};
use longhaul_simulation::{Outcome, Person, Project, Rates, Reference, disturbed, fast_folder, undisturbed};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Simulate runs of many hours under faults and print what they came to
#[derive(Debug, Parser)]
struct Args {
    /// The first run's seed; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs for each size
    #[arg(long, default_value_t = 20)]
    runs: u64,
    /// Files of the projects
    #[arg(long, value_delimiter = ',', default_values_t = [100, 500, 1200])]
    files: Vec<u32>,
    /// How often what goes wrong
    #[arg(long, value_enum, default_value_t = Often::High)]
    rates: Often,
    /// Let everything go wrong this many times as often
    #[arg(long, default_value_t = 1)]
    times: u32,
    /// Simulate in this folder, and leave there what the last run came to
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Measure in this process
    #[arg(long, hide = true)]
    row: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Often {
    /// As on a machine that one would keep
    Usual,
    /// Far more often
    High,
}

impl Often {
    fn rates(self) -> Rates {
        match self {
            Often::Usual => Rates::USUAL,
            Often::High => Rates::HIGH,
        }
    }
}

fn main() {
    let args = Args::parse();
    for files in &args.files {
        match args.row {
            true => println!("{}", measure(Project { files: *files }, &args)),
            false => println!("{}", in_own_process(*files, &args)),
        }
    }
}

fn in_own_process(files: u32, args: &Args) -> Value {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--row", "--files", &files.to_string()]);
    command.args([
        "--seed",
        &args.seed.to_string(),
        "--runs",
        &args.runs.to_string(),
        "--times",
        &args.times.to_string(),
    ]);
    let rates = args.rates.to_possible_value().unwrap();
    command.args(["--rates", rates.get_name()]);
    if let Some(folder) = &args.keep {
        command.arg("--keep").arg(folder);
    }
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| json!({ "files": files, "runs": args.runs, "lost": args.runs }))
}

/// Simulates an undisturbed run and `runs` disturbed ones.
fn measure(project: Project, args: &Args) -> Value {
    let scratch = tempfile::tempdir_in(fast_folder()).unwrap();
    let folder = args.keep.as_deref().unwrap_or(scratch.path());
    let began = Instant::now();
    let (reference, growth) = quiet(folder, project);
    eprintln!(
        "{} files: undisturbed in {:.1} h, {:.1?}",
        project.files,
        hours(reference.outcome.under_way),
        began.elapsed()
    );
    let (mut outcomes, mut lost) = (Vec::new(), 0);
    for seed in args.seed..args.seed + args.runs {
        let began = Instant::now();
        match disturbed(folder, project, args.rates.rates().times(args.times), seed, &reference, Arc::new(|_| {})) {
            Ok(outcome) => {
                eprintln!("{} files, seed {seed}: {}, {:.1?}", project.files, told(&outcome), began.elapsed());
                outcomes.push(outcome);
            }
            Err(error) => {
                eprintln!("lost: {error}");
                lost += 1;
            }
        }
    }
    row(project, &reference, &outcomes, lost, growth)
}

/// The undisturbed run, and by how much of its first hour's peak of memory the later peak is more.
fn quiet(folder: &Path, project: Project) -> (Reference, f64) {
    let hours = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&hours);
    let on_hour = move |_| noted.lock().unwrap().push(peak_memory());
    let reference = undisturbed(folder, project, Arc::new(on_hour)).unwrap();
    let mut hours = hours.lock().unwrap().clone();
    hours.push(peak_memory());
    let told: Vec<String> = hours.iter().map(|bytes| format!("{:.1}", bytes / 1e6)).collect();
    eprintln!("{} files: peak of memory after each hour and at the end: {} MB", project.files, told.join(", "));
    (reference, peak_memory() / hours[0])
}

fn told(outcome: &Outcome) -> String {
    let person = match outcome.person {
        None => "completed",
        Some(Person::Escalated) => "escalated, then completed",
        Some(Person::Budget) => "completed with more time",
    };
    let Outcome { under_way, crashes, full_disks, pauses, incidents, .. } = outcome;
    format!(
        "{person} in {:.1} h, {incidents} incidents, {crashes} crashes, {full_disks} full disks, {pauses} pauses",
        hours(*under_way)
    )
}

fn row(project: Project, reference: &Reference, outcomes: &[Outcome], lost: u64, growth: f64) -> Value {
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    let count = |person| outcomes.iter().filter(|outcome| outcome.person == person).count();
    let mut times: Vec<f64> = outcomes.iter().map(|outcome| hours(outcome.under_way)).collect();
    times.sort_by(f64::total_cmp);
    let work: Duration = outcomes.iter().map(|outcome| outcome.work).sum();
    let needed = reference.work.as_secs_f64() * outcomes.len() as f64;
    json!({
        "files": project.files,
        "runs": outcomes.len() as u64 + lost,
        "completed": count(None),
        "escalated": count(Some(Person::Escalated)),
        "more_time": count(Some(Person::Budget)),
        "lost": lost,
        "tasks": project.chunks() + 3,
        "undisturbed_hours": hours(reference.outcome.under_way),
        "median_hours": times.get(times.len() / 2),
        "max_hours": times.last(),
        "incidents": sum(|outcome| outcome.incidents),
        "crashes": sum(|outcome| u64::from(outcome.crashes)),
        "full_disks": sum(|outcome| u64::from(outcome.full_disks)),
        "pauses": sum(|outcome| u64::from(outcome.pauses)),
        "entries": sum(|outcome| outcome.entries),
        "memory_mb": peak_memory() / 1e6,
        "memory_growth": growth,
        "disk_mb": outcomes.iter().chain([&reference.outcome]).map(|outcome| outcome.disk.0).max().unwrap_or(0) as f64 / 1e6,
        "again_percent": (work.as_secs_f64() / needed - 1.0) * 100.0,
    })
}

fn hours(span: Duration) -> f64 {
    span.as_secs_f64() / 3600.0
}

/// The most memory that this process had at a time, by the kernel's account, in bytes.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
    line.and_then(|kib| kib.trim().parse::<f64>().ok()).map_or(f64::NAN, |kib| kib * 1024.0)
}
