//! A place where commands are run, and ways to ask for them.

use longhaul_core::commands::{
    Command, CommandLimits, Commands, Dimension, ExitStatus, Finished, Follow, NotFollowed, Site, Stream,
};
use longhaul_core::path::StagePath;
use longhaul_core::reach::ServiceError;
use longhaul_services::exec::{Keeper, Layer, LocalCommands, Settings};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) runtime: Runtime,
    pub(crate) settings: Settings,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ground", "scratch", "output", "cache"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let keeper = Keeper { program: PathBuf::from(env!("CARGO_BIN_EXE_longhaul-keeper")), args: Vec::new() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self {
            folder,
            runtime,
            settings: Settings { keeper, tools: Vec::new(), require: Vec::new(), without: Vec::new() },
        }
    }

    pub(crate) fn without(layers: &[Layer]) -> Self {
        let mut world = Self::new();
        world.settings.without = layers.to_vec();
        world
    }

    pub(crate) fn requiring(mut self, dimensions: &[Dimension]) -> Self {
        self.settings.require = dimensions.to_vec();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, argv: &[&str]) -> Command {
        Command {
            argv: argv.iter().map(|argument| (*argument).to_owned()).collect(),
            env: Vec::new(),
            site: Site {
                ground: self.path("ground"),
                scratch: self.path("scratch"),
                output: self.path("output"),
                caches: Vec::new(),
            },
            cwd: StagePath::root(),
            stdin: Vec::new(),
            limits: CommandLimits { time: Duration::from_secs(20), ..CommandLimits::default() },
        }
    }

    pub(crate) fn shell(&self, script: &str) -> Command {
        self.command(&["sh", "-c", script])
    }

    pub(crate) fn commands(&self) -> LocalCommands {
        LocalCommands::new(self.settings.clone(), self.runtime.handle().clone())
    }

    pub(crate) fn run(&self, command: Command) -> Result<Finished, ServiceError> {
        self.runtime.block_on(self.commands().run(command, Arc::new(NotFollowed)))
    }

    /// Runs a script that has to end well, and gives what it wrote.
    pub(crate) fn text(&self, script: &str) -> String {
        let finished = self.run(self.shell(script)).unwrap();
        let text = String::from_utf8_lossy(&finished.stdout.head).into_owned();
        assert_eq!(finished.status, ExitStatus::Code(0), "{text} {}", String::from_utf8_lossy(&finished.stderr.head));
        text
    }
}

/// Collects the lines that are shown.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<(Stream, String)>>);

impl Follow for Lines {
    fn line(&self, stream: Stream, line: &str) {
        self.0.lock().unwrap().push((stream, line.to_owned()));
    }

    fn alive(&self) {}
}

/// Whether a process of the machine has this text in its arguments.
pub(crate) fn is_running(mark: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(mark))
}

/// Waits until that is not so any more; false where it stays so.
pub(crate) fn is_gone(mark: &str) -> bool {
    let until = Instant::now() + Duration::from_secs(10);
    while is_running(mark) {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// A text that no other process has in its arguments.
pub(crate) fn mark(name: &str) -> String {
    format!("longhaul-{name}-{}", std::process::id())
}
