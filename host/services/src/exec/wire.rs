//! What the host and the keeper of a command tell each other: frames of JSON on a socket, and lines of JSON on a pipe.
//!
//! ```text
//!   host ──── Order, then the bytes for standard input ────► keeper       one socket; its end is the keeper's order to end everything
//!        ◄─── Report ───────────────────────────────────────
//!   command's process, its first process ── Note, a line each ──► keeper   one pipe; its end is the end of the command
//! ```

use longhaul_core::commands::{Dimension, Isolation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// The most bytes of one frame: arguments, environment and folders are bounded before they come here.
const MAX_FRAME: u32 = 4 << 20;

/// What is to be run, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) ground: PathBuf,
    pub(super) scratch: PathBuf,
    pub(super) output: PathBuf,
    /// Where in the ground it starts.
    pub(super) cwd: String,
    /// Places in the ground, and the folders that are to be seen there.
    pub(super) caches: Vec<(String, PathBuf)>,
    /// Folders of the machine that it may read and run programs from, beside those of the system.
    pub(super) tools: Vec<PathBuf>,
    pub(super) limits: OrderLimits,
    /// Where one of these is not enforced, nothing is run.
    pub(super) require: Vec<Dimension>,
    /// The layers that are left out, to show what the others do alone.
    pub(super) without: Vec<Layer>,
    /// Bytes for standard input that follow.
    pub(super) stdin: u64,
}

/// What bounds a command.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct OrderLimits {
    pub(super) time_ms: u64,
    pub(super) memory: u64,
    pub(super) processes: u32,
    pub(super) handles: u32,
    pub(super) disk: u64,
}

/// A layer of isolation that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Namespaces of the kernel: files, network, processes.
    Namespaces,
    /// Landlock: files, network.
    Landlock,
    /// The filter of system calls.
    Seccomp,
}

/// What a process in the sandbox tells its keeper.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Note {
    /// The command is about to be run in this.
    Began { isolation: Vec<Isolation> },
    /// It is not run, because this is not enforced.
    Refused { missing: Vec<Dimension> },
    /// The program cannot be run.
    NotRun { error: String, missing: bool },
    /// The sandbox could not be set up.
    Broken { error: String },
    /// The command came to its end.
    Ended { status: Status },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Code(i32),
    Signal(i32),
}

/// What became of an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) isolation: Vec<Isolation>,
    pub(super) outcome: Outcome,
}

/// How it came to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Ended(Status),
    TimedOut,
    /// It used more than it may of this.
    Exhausted(String),
    Refused(Vec<Dimension>),
    NotRun {
        error: String,
        missing: bool,
    },
    Broken(String),
}

/// Writes a frame.
pub(super) fn frame(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(value)?;
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= MAX_FRAME);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the command is too long"))?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// The length of the frame that begins so.
pub(super) fn length(header: [u8; 4]) -> io::Result<usize> {
    match u32::from_be_bytes(header) {
        length if length <= MAX_FRAME => Ok(length as usize),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long")),
    }
}

/// Reads a frame.
pub(super) fn read<T: DeserializeOwned>(source: &mut impl Read) -> io::Result<T> {
    let mut header = [0; 4];
    source.read_exact(&mut header)?;
    let mut body = vec![0; length(header)?];
    source.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Writes a note as a line, in one piece: several processes write to the same pipe.
pub(super) fn note(sink: &mut impl Write, note: &Note) -> io::Result<()> {
    let mut line = serde_json::to_vec(note)?;
    line.push(b'\n');
    sink.write_all(&line)
}
