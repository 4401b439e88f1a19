//! Runs of the benchmarks' guest: a workspace for it, a process that carries it, and what the record says meanwhile.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::ground::write;
use crate::bench::{BenchError, Ground};
use crate::process;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a record.
const LOOK: Duration = Duration::from_millis(100);

/// A workflow of a benchmark.
pub(super) struct Flow<'a> {
    pub(super) name: &'a str,
    /// Agents, each named like the guest that it is. The first one does the tasks that do not say otherwise.
    pub(super) agents: &'a [&'a str],
    /// How many tasks run at a time.
    pub(super) at_a_time: usize,
    /// The rules by which a model answers, in YAML, where there is one.
    pub(super) model: Option<&'a str>,
    /// In YAML.
    pub(super) tasks: &'a str,
}

/// A workspace with one file, and a workflow beside its tasks, given in YAML, for the guest of the benchmarks.
pub(super) fn workspace(ground: &Ground, name: &str, tasks: &str) -> Result<PathBuf, BenchError> {
    workspace_of(ground, &Flow { name, agents: &["bench-guest"], at_a_time: 64, model: None, tasks })
}

/// The same for any workflow.
pub(super) fn workspace_of(ground: &Ground, flow: &Flow<'_>) -> Result<PathBuf, BenchError> {
    let Flow { name, agents, at_a_time, model, tasks } = flow;
    let folder = ground.empty_folder(name)?;
    let agent =
        |name: &&str| format!("  {name}: {{ plugin: {:?} }}\n", ground.house.guests().join(format!("{name}.wasm")));
    let first = agents.first().copied().unwrap_or_default();
    let (models, asked) = match model {
        Some(rules) => {
            write(&folder.join("model.yaml"), rules)?;
            ("models: { default: { script: model.yaml } }\n", ", model: [default]")
        }
        None => ("", ""),
    };
    let agents: String = agents.iter().map(agent).collect();
    let workflow = format!(
        "version: 1\nname: {name}\nconcurrency: {{ max: {at_a_time} }}\nrecovery: []\n{models}agents:\n{agents}\
         defaults: {{ agent: {first}, timeout: 7h }}\n\
         permissions: {{ fs: {{ read: [\"**\"], write: [\"**\"] }}, messages: [\"*\"]{asked} }}\ntasks:\n{tasks}"
    );
    write(&folder.join("seed"), "content\n")?;
    write(&folder.join("bench.workflow.yaml"), &workflow)?;
    Ok(folder)
}

/// `longhaul run` of a workspace's workflow.
pub(super) fn run(ground: &Ground, folder: &Path) -> Command {
    let mut command = ground.longhaul_in(folder);
    command.args(["run", "bench.workflow.yaml", "--quiet"]);
    command
}

/// A process that carries a run. Dropped, it is killed.
pub(super) struct UnderWay(Child);

impl UnderWay {
    /// Starts `longhaul run`.
    pub(super) fn start(ground: &Ground, folder: &Path) -> Result<Self, BenchError> {
        let child = run(ground, folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        child.map(Self).map_err(|source| BenchError::Scratch { path: folder.to_owned(), source })
    }

    /// Waits until this many attempts are suspended.
    pub(super) fn until_suspended(&mut self, ground: &Ground, folder: &Path, wanted: usize) -> Result<(), BenchError> {
        self.until(ground, folder, &[(r#""kind":"attempt-suspended""#, wanted)])
    }

    /// Waits until so many lines of the record, as JSON, have each of these texts.
    pub(super) fn until(&mut self, ground: &Ground, folder: &Path, wanted: &[(&str, usize)]) -> Result<(), BenchError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            thread::sleep(LOOK);
            if let Ok(Some(status)) = self.0.try_wait() {
                return Err(BenchError::Unexpected(format!(
                    "the run in {} ended with {status} before its attempts waited",
                    folder.display()
                )));
            }
            // There may be no record yet.
            let log = process::capture(ground.longhaul_in(folder).args(["logs", "last", "--json"])).unwrap_or_default();
            let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
            let Some((text, wanted)) = wanted.iter().find(|(text, wanted)| lines(text) < *wanted) else {
                return Ok(());
            };
            if Instant::now() > deadline {
                let (lines, seconds) = (lines(text), PATIENCE.as_secs());
                return Err(BenchError::Unexpected(format!(
                    "after {seconds} s the record has {lines} of {wanted} lines with {text}"
                )));
            }
        }
    }

    /// The most memory that it had at a time, by the kernel's account, in bytes.
    pub(super) fn peak_memory(&self) -> Result<f64, BenchError> {
        let path = PathBuf::from(format!("/proc/{}/status", self.0.id()));
        let status = std::fs::read_to_string(&path).map_err(|source| BenchError::Scratch { path, source })?;
        let kib =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
        kib.map(|kib: f64| kib * 1024.0)
            .ok_or_else(|| BenchError::Unexpected("the kernel does not tell the peak memory of a process".to_owned()))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
