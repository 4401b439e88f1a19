//! The adapters on the plugins' side, and how the errors of those that everybody shares (`longhaul-wiring`) are told.

mod commands;
mod components;
mod plugins;
mod services;
mod workspace;

pub(crate) use commands::{COMMAND_KEEPER, commands, probe};
pub(crate) use components::{Source, path as kept};
pub(crate) use plugins::Loaded;
pub(crate) use services::services;
pub(crate) use workspace::{import, open_workspace};

use longhaul_sandbox::{CompileLimits, CompileWorker, Enclosure, Sandbox, SandboxConfig, SandboxError, WallPolicy};
use std::path::{Path, PathBuf};

/// The argument that makes this binary the compiler process.
pub(crate) const COMPILE_WORKER: &str = "compile-worker";

/// The folder of compiled components: `LONGHAUL_CACHE_DIR`, or `longhaul/components` in the user's cache folder.
pub(crate) fn component_cache() -> PathBuf {
    if let Some(folder) = std::env::var_os("LONGHAUL_CACHE_DIR") {
        return PathBuf::from(folder).join("components");
    }
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_else(|| std::env::temp_dir().join(format!("longhaul-{}", rustix::process::geteuid().as_raw())));
    base.join("longhaul").join("components")
}

/// A sandbox whose guests work in the state folder `state`, `instances` at a time.
pub(crate) fn sandbox(state: &Path, instances: u32, wall: WallPolicy) -> Result<Sandbox, SandboxError> {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 16));
    Sandbox::new(SandboxConfig {
        cache: component_cache(),
        worker: CompileWorker { program, args: vec![COMPILE_WORKER.to_owned()] },
        compile: CompileLimits::default(),
        instances,
        threads,
        enclosure: Enclosure { writable: vec![state.join("stages")], readable: vec![state.join("objects")] },
        wall,
    })
}
