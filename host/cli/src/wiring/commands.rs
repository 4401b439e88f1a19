//! Commands: who runs them, and what this machine offers to keep them apart.

use longhaul_core::commands::{Command, CommandLimits, Dimension, Isolation, Site};
use longhaul_core::path::StagePath;
use longhaul_services::exec::{Keeper, LocalCommands, Settings};
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Handle;

/// The argument that makes this binary the keeper of a command.
pub(crate) const COMMAND_KEEPER: &str = "command-keeper";

/// The variable with folders of tools, separated by `:`.
const TOOLS: &str = "LONGHAUL_TOOLS";

/// Runs commands on the threads of the runtime that this is called on. `tools` are folders that they may read and run programs from.
pub(crate) fn commands(tools: &[PathBuf], require_isolation: bool) -> LocalCommands {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
    let named = std::env::var_os(TOOLS);
    let named = named.iter().flat_map(std::env::split_paths);
    let tools = tools.iter().cloned().chain(named).filter_map(|folder| folder.canonicalize().ok());
    let settings = Settings {
        keeper: Keeper { program, args: vec![COMMAND_KEEPER.to_owned()] },
        tools: tools.collect(),
        require: if require_isolation { Dimension::REQUIRED.to_vec() } else { Vec::new() },
        without: Vec::new(),
    };
    LocalCommands::new(settings, Handle::current())
}

/// What keeps a command apart on this machine, by dimension; in words why that cannot be found out.
pub(crate) fn probe() -> Result<Vec<Isolation>, String> {
    let words = |error: std::io::Error| error.to_string();
    let folder = std::env::temp_dir().join(format!("longhaul-probe-{}", std::process::id()));
    let site = Site {
        ground: folder.join("ground"),
        scratch: folder.join("scratch"),
        output: folder.join("output"),
        caches: Vec::new(),
    };
    for part in [&site.ground, &site.scratch, &site.output] {
        std::fs::create_dir_all(part).map_err(words)?;
    }
    let command = Command {
        argv: vec!["true".to_owned()],
        env: Vec::new(),
        site,
        cwd: StagePath::root(),
        stdin: Vec::new(),
        limits: CommandLimits { time: Duration::from_secs(10), ..CommandLimits::default() },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(words)?;
    let probed = runtime.block_on(async { commands(&[], false).probe(command).await });
    // Nothing but empty folders and what `true` wrote is in there.
    drop(std::fs::remove_dir_all(&folder));
    probed
}
