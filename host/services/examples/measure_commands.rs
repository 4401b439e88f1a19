//! What the sandbox of a command adds to starting the same program without one. The argument is the binary that is the keeper; one row a
//! line, as JSON.

#![expect(clippy::print_stdout, reason = "the rows are what this program is for")]

use longhaul_core::commands::{Command, CommandLimits, Commands, NotFollowed, Site};
use longhaul_core::path::StagePath;
use longhaul_services::exec::{Keeper, LocalCommands, Settings};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;
const BOUND_MS: f64 = 5.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let program = std::env::args_os().nth(1).map(PathBuf::from).ok_or("name the binary that is the keeper")?;
    let folder = std::env::temp_dir().join(format!("longhaul-measure-{}", std::process::id()));
    let measured = measure(program, &folder);
    std::fs::remove_dir_all(&folder)?;
    let (bare, sandboxed) = measured?;
    let added = sandboxed - bare;
    let row = serde_json::json!({
        "name": "start of a command in the sandbox, over a bare one", "measured": added, "bound": BOUND_MS, "unit": "ms",
    });
    println!("{row}");
    Ok(())
}

/// The medians of both, in milliseconds.
fn measure(program: PathBuf, folder: &Path) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let part = |name: &str| folder.join(name);
    for name in ["ground", "scratch", "output"] {
        std::fs::create_dir_all(part(name))?;
    }
    let command = Command {
        argv: vec!["true".to_owned()],
        env: Vec::new(),
        site: Site { ground: part("ground"), scratch: part("scratch"), output: part("output"), caches: Vec::new() },
        cwd: StagePath::root(),
        stdin: Vec::new(),
        limits: CommandLimits { time: Duration::from_secs(10), ..CommandLimits::default() },
    };
    let settings = Settings {
        keeper: Keeper { program, args: vec!["command-keeper".to_owned()] },
        tools: Vec::new(),
        require: Vec::new(),
        without: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let commands = LocalCommands::new(settings, runtime.handle().clone());
    let (mut bare, mut sandboxed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        // With pipes, as a host would start it that reads what it says.
        let output = runtime.block_on(async { tokio::process::Command::new("true").env_clear().output().await })?;
        bare.push(began.elapsed());
        let began = Instant::now();
        runtime.block_on(commands.run(command.clone(), Arc::new(NotFollowed)))?;
        sandboxed.push(began.elapsed());
        if !output.status.success() {
            return Err("`true` failed".into());
        }
    }
    Ok((median(bare), median(sandboxed)))
}

fn median(mut all: Vec<Duration>) -> f64 {
    all.sort_unstable();
    all.get(all.len() / 2).map_or(f64::NAN, |middle| middle.as_secs_f64() * 1e3)
}
