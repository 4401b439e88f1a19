//! Commands: what a host runs for an agent outside its component, and what came of it.
//!
//! A command works in a folder that somebody else laid out (see [`crate::ground`]), within limits, behind as many layers of
//! isolation as the machine has. Whoever runs it knows nothing of runs, grants or records.

mod ran;
mod work;

pub use ran::{Output, Ran};
pub use work::{AROUND, run_in};

use crate::digest::Digest;
use crate::path::StagePath;
use crate::reach::{BoxFuture, ServiceError};
use crate::units::{Bytes, show_duration};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The most arguments of a command, and the most bytes of all of them with its environment.
pub const MAX_ARGUMENTS: usize = 4_096;
/// The most bytes of a command's arguments and environment together.
pub const MAX_ARGUMENT_BYTES: usize = 128 << 10;

/// A command to run.
#[derive(Debug, Clone)]
pub struct Command {
    /// The program and its arguments; never empty. A program without `/` is looked for in the folders for programs, one with
    /// it within the ground.
    pub argv: Vec<String>,
    /// Environment variables beside those that every command has.
    pub env: Vec<(String, String)>,
    /// Where it works.
    pub site: Site,
    /// The folder in the ground that it starts in.
    pub cwd: StagePath,
    /// Bytes for its standard input.
    pub stdin: Vec<u8>,
    /// What bounds it.
    pub limits: CommandLimits,
}

/// The folders of the machine that a command works in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// Its files.
    pub ground: PathBuf,
    /// What is private to it and thrown away: `/tmp`.
    pub scratch: PathBuf,
    /// Where its whole output is put: `stdout` and `stderr`.
    pub output: PathBuf,
    /// Folders that are shared with others, by their place in the ground.
    pub caches: Vec<(StagePath, PathBuf)>,
}

impl Command {
    /// The digest of all that makes it what it is, wherever it works.
    pub fn request(&self) -> Digest {
        let stdin = Digest::of(&self.stdin);
        let all = (&self.argv, &self.env, self.cwd.as_str(), stdin, self.limits);
        // Texts and numbers are always JSON.
        Digest::of(&serde_json::to_vec(&all).unwrap_or_default())
    }

    /// What is not seen in its arguments, in words.
    pub fn detail(&self) -> String {
        let mut detail = format!("at most {}", show_duration(self.limits.time));
        if !self.cwd.is_root() {
            detail.push_str(&format!(", in {}", self.cwd));
        }
        let names: Vec<_> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            detail.push_str(&format!(", with {}", names.join(", ")));
        }
        if !self.stdin.is_empty() {
            detail.push_str(&format!(", given {}", Bytes(self.stdin.len() as u64)));
        }
        detail
    }
}

/// What bounds a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLimits {
    /// Wall time. It is ended after that.
    pub time: Duration,
    /// Bytes of each stream that are handed back.
    pub shown: Bytes,
    /// Bytes of each stream that it may write. It is ended after that.
    pub output: Bytes,
    /// Memory of all its processes.
    pub memory: Bytes,
    /// Processes and threads at a time.
    pub processes: u32,
    /// Open files of each process.
    pub handles: u32,
    /// Bytes of one file, and of all that it adds to the disk.
    pub disk: Bytes,
}

impl Default for CommandLimits {
    /// 10 minutes, 64 KiB shown and 64 MiB kept of each stream, 4 GiB of memory, 1 024 processes, 4 096 open files, 1 GiB of disk.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(600),
            shown: Bytes(64 << 10),
            output: Bytes(64 << 20),
            memory: Bytes(4 << 30),
            processes: 1_024,
            handles: 4_096,
            disk: Bytes(1 << 30),
        }
    }
}

/// What can be enforced about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// It sees and changes its own files only.
    Files,
    /// It reaches no network.
    Network,
    /// It sees and ends its own processes only, and none of them outlives it.
    Processes,
    /// Calls that it does not need are refused.
    SystemCalls,
    /// Memory.
    Memory,
    /// Time on processors.
    Cpu,
    /// The number of its processes.
    Count,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Dimension; 7] = [
        Dimension::Files,
        Dimension::Network,
        Dimension::Processes,
        Dimension::SystemCalls,
        Dimension::Memory,
        Dimension::Cpu,
        Dimension::Count,
    ];
    /// Those without which a command is not apart from the rest of the machine.
    pub const REQUIRED: [Dimension; 3] = [Dimension::Files, Dimension::Network, Dimension::Processes];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Dimension::Files => "files",
            Dimension::Network => "network",
            Dimension::Processes => "processes",
            Dimension::SystemCalls => "system-calls",
            Dimension::Memory => "memory",
            Dimension::Cpu => "cpu",
            Dimension::Count => "count",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was reached in one dimension, as it was found out from within the command's own process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// The dimension.
    pub dimension: Dimension,
    /// What enforces it, the strongest first; empty where nothing does.
    pub mechanisms: Vec<String>,
    /// What a probe found that got through, or why nothing enforces it; empty where all is well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gap: String,
}

impl Isolation {
    /// Whether something enforces it and no probe got through.
    pub fn stands(&self) -> bool {
        !self.mechanisms.is_empty() && self.gap.is_empty()
    }

    /// What enforces it, in a word or two.
    pub fn mechanism(&self) -> String {
        if self.stands() { self.mechanisms.join("+") } else { "none".to_owned() }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// The host ended it when its time was up.
    TimedOut,
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitStatus::Code(code) => write!(f, "exit code {code}"),
            ExitStatus::Signal(signal) => write!(f, "signal {signal}"),
            ExitStatus::TimedOut => f.write_str("timed out"),
        }
    }
}

/// What a command wrote to one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its beginning.
    pub head: Vec<u8>,
    /// Its end, where that is not part of the beginning.
    pub tail: Vec<u8>,
    /// Bytes of all of it.
    pub size: u64,
    /// The digest of all of it.
    pub digest: Digest,
}

/// A command that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Written,
    /// Its standard error.
    pub stderr: Written,
    /// Wall time it took.
    pub duration: Duration,
    /// The isolation that it ran in, by dimension.
    pub isolation: Vec<Isolation>,
}

/// Which stream a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Follows a command as it runs. Must not block.
pub trait Follow: Send + Sync {
    /// A line was written; of a long one its beginning.
    fn line(&self, stream: Stream, line: &str);

    /// It is still at work: told every second or so.
    fn alive(&self);
}

/// Follows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotFollowed;

impl Follow for NotFollowed {
    fn line(&self, _: Stream, _: &str) {}
    fn alive(&self) {}
}

/// Runs commands.
///
/// Crash contract: dropping the future ends the command and every process that it started, also those that hid from it; so
/// does the end of the host, however it comes. Nothing of a command outlives the call.
pub trait Commands: Send + Sync {
    /// Runs a command to its end. One that ends badly is no error.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for a program that is not there; [`ServiceError::Unavailable`] where the isolation is not to be had
    /// that this host requires, and nothing was run; [`ServiceError::Exhausted`] where it was ended for its output, its memory, its
    /// processes or the disk.
    fn run<'a>(&'a self, command: Command, follow: Arc<dyn Follow>) -> BoxFuture<'a, Result<Finished, ServiceError>>;
}
