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

/// A workspace with one file, and a workflow beside its tasks, given in YAML, for the guest of the benchmarks.
pub(super) fn workspace(ground: &Ground, name: &str, tasks: &str) -> Result<PathBuf, BenchError> {
    workspace_of(ground, name, "guest", tasks)
}

/// The same, whose tasks are done by `agent` where they do not say otherwise: `guest`, or `talk`, which talks with others of its kind.
pub(super) fn workspace_of(ground: &Ground, name: &str, agent: &str, tasks: &str) -> Result<PathBuf, BenchError> {
    let folder = ground.empty_folder(name)?;
    let plugin = |name: &str| ground.house.guests().join(format!("{name}.wasm"));
    let (guest, talk) = (plugin("bench-guest"), plugin("talk"));
    let workflow = format!(
        "version: 1\nname: {name}\nconcurrency: {{ max: 64 }}\nrecovery: []\n\
         agents: {{ guest: {{ plugin: {guest:?} }}, talk: {{ plugin: {talk:?} }} }}\n\
         defaults: {{ agent: {agent}, timeout: 7h }}\n\
         permissions: {{ fs: {{ read: [\"**\"], write: [\"**\"] }}, messages: [\"*\"] }}\ntasks:\n{tasks}"
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
        let deadline = Instant::now() + PATIENCE;
        loop {
            thread::sleep(LOOK);
            if let Ok(Some(status)) = self.0.try_wait() {
                return Err(BenchError::Unexpected(format!(
                    "the run in {} ended with {status} before its attempts were suspended",
                    folder.display()
                )));
            }
            // There may be no record yet.
            let log = process::capture(ground.longhaul_in(folder).args(["logs", "last", "--json"])).unwrap_or_default();
            let suspended = log.lines().filter(|line| line.contains(r#""kind":"attempt-suspended""#)).count();
            if suspended >= wanted {
                return Ok(());
            }
            if Instant::now() > deadline {
                let seconds = PATIENCE.as_secs();
                return Err(BenchError::Unexpected(format!("{suspended} of {wanted} attempts wait after {seconds} s")));
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
