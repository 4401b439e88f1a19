//! Compiles components in a process of its own.
//!
//! Compile-time denial of service is explicitly no vulnerability of wasmtime, so the compiler is the host's problem: it
//! runs as a child with limits on memory, processor time, wall time and output, confined to no file and no network
//! (see [`worker_main`]). It reads the component on standard input and writes machine code to standard output, which the
//! parent has opened as a file, so that nothing of it passes through the host's memory.

use crate::cache::Pending;
use crate::engine::compiler_engine;
use crate::error::PluginError;
use crate::inspect::MAX_COMPONENT;
use crate::wall::confine_to_nothing;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The program that is the compiler process: one that calls [`worker_main`].
#[derive(Debug, Clone)]
pub struct CompileWorker {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// What a compilation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Wall time, and processor time on each core.
    pub time: Duration,
    /// Bytes of address space.
    pub memory: u64,
    /// Bytes of machine code.
    pub output: u64,
}

impl Default for CompileLimits {
    /// Two minutes, 4 GiB, 512 MiB: a Python interpreter as a component takes a quarter of it.
    fn default() -> Self {
        Self { time: Duration::from_secs(120), memory: 4 << 30, output: 512 << 20 }
    }
}

/// Exit code of a compiler that refused its input; the reason is on standard error.
const REFUSED: u8 = 65;
/// Exit code of a compiler whose machine code has more bytes than it may.
const TOO_LARGE: u8 = 66;
/// Exit code of a compiler that could not write its machine code; the reason is on standard error.
const UNWRITTEN: u8 = 67;
/// The most bytes of the compiler's complaints that are read.
const MAX_COMPLAINT: u64 = 4 << 10;

/// Compiles `component` into `output`, a new file of the cache.
///
/// # Errors
/// [`PluginError::Compile`], [`PluginError::CompileLimit`], [`PluginError::CodeTooLarge`], [`PluginError::Cache`],
/// [`PluginError::Worker`].
pub(crate) async fn compile(
    worker: &CompileWorker,
    limits: CompileLimits,
    component: &[u8],
    (pending, output): (&Pending, File),
) -> Result<(), PluginError> {
    let worker_error = |source| PluginError::Worker { program: worker.program.clone(), source };
    let mut child = tokio::process::Command::new(&worker.program)
        .args(&worker.args)
        .arg(limits.time.as_secs().max(1).to_string())
        .arg(limits.memory.to_string())
        .arg(limits.output.to_string())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(worker_error)?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A compiler that gives up early closes the pipe; its exit code says why.
            drop(stdin.write_all(component).await);
        }
    };
    let listen = async {
        let mut complaint = Vec::new();
        if let Some(stderr) = stderr {
            drop(stderr.take(MAX_COMPLAINT).read_to_end(&mut complaint).await);
        }
        complaint
    };
    let work = async { tokio::join!(feed, listen, child.wait()) };
    let exceeded = PluginError::CompileLimit { time: limits.time, memory: limits.memory };
    // Dropping the child at the time-out kills it.
    let Ok(((), complaint, status)) = tokio::time::timeout(limits.time, work).await else { return Err(exceeded) };
    let status = status.map_err(worker_error)?;
    let reason = || String::from_utf8_lossy(&complaint).trim().chars().take(1000).collect();
    match status.code().map(u8::try_from) {
        Some(Ok(0)) => Ok(()),
        Some(Ok(REFUSED)) => Err(PluginError::Compile(reason())),
        Some(Ok(TOO_LARGE)) => Err(PluginError::CodeTooLarge { limit: limits.output }),
        Some(Ok(UNWRITTEN)) => Err(pending.cannot_write(&reason())),
        // Killed by a limit, or aborted because memory was refused.
        _ => Err(exceeded),
    }
}

/// The compiler process. `args` are the three limits that `compile` appends: seconds, bytes, bytes.
pub fn worker_main(args: &[String]) -> ExitCode {
    match work(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop { code, reason }) => {
            // Nobody is left to tell when standard error is gone.
            drop(std::io::stderr().write_all(reason.as_bytes()));
            ExitCode::from(code)
        }
    }
}

/// Why the compiler process ends without machine code.
struct Stop {
    code: u8,
    reason: String,
}

impl From<String> for Stop {
    fn from(reason: String) -> Self {
        Self { code: REFUSED, reason }
    }
}

fn work(args: &[String]) -> Result<(), Stop> {
    let number = |i: usize| {
        args.get(i)
            .and_then(|a| a.parse::<u64>().ok())
            .ok_or_else(|| "this process compiles plugins; it is started by longhaul".to_owned())
    };
    let (seconds, memory, output) = (number(0)?, number(1)?, number(2)?);
    for (resource, limit) in [
        (Resource::As, memory),
        (Resource::Cpu, seconds.saturating_mul(2)),
        (Resource::Fsize, output),
        (Resource::Core, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }).map_err(|e| e.to_string())?;
    }
    // Where the kernel has no Landlock the other limits still hold.
    drop(confine_to_nothing());
    let mut component = Vec::new();
    let read = std::io::stdin().take(MAX_COMPONENT as u64 + 1).read_to_end(&mut component);
    read.map_err(|e| e.to_string())?;
    let engine = compiler_engine().map_err(|e| format!("{e:#}"))?;
    let code = engine.precompile_component(&component).map_err(|e| format!("{e:#}"))?;
    // Told here, because the kernel would end the process at the limit without a word.
    if code.len() as u64 > output {
        return Err(Stop { code: TOO_LARGE, reason: String::new() });
    }
    let mut stdout = std::io::stdout();
    let written = stdout.write_all(&code).and_then(|()| stdout.flush());
    written.map_err(|e| Stop { code: UNWRITTEN, reason: e.to_string() })
}
