//! The projects that are worked on, and the workflow that works on them.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// What a call is before it is replaced.
pub(crate) const OLD: &str = "old_call(";
/// What it is then.
pub(crate) const NEW: &str = "new_call(";

/// The files of a module.
const MODULE: u32 = 25;
/// Time of models over all files. With two of three tasks at a time working on files that is five hours and a half.
const FILE_WORK: Duration = Duration::from_secs(11 * 3600);
/// The longest chunk.
const CHUNK: Duration = Duration::from_secs(30 * 60);
/// The most files of a chunk.
const CHUNK_FILES: u32 = 12;
/// Documents that are written beside, and the time for each: four hours.
pub(crate) const DOCUMENTS: u32 = 24;
pub(crate) const DOCUMENT_WORK: Duration = Duration::from_secs(10 * 60);
/// The fraction of two chunks in this many that change a file in common.
pub(crate) const IN_COMMON: u32 = 10;

/// A project by its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Project {
    /// How many source files it has.
    pub files: u32,
}

impl Project {
    /// The path of a source file.
    pub(crate) fn path(number: u32) -> String {
        format!("src/module_{:02}/file_{number:04}.rs", number / MODULE)
    }

    /// The time that a model takes for one file.
    pub(crate) fn work(self) -> Duration {
        FILE_WORK / self.files.max(1)
    }

    /// The files of one chunk.
    pub(crate) fn chunk(self) -> u32 {
        let fit = CHUNK.as_millis() / self.work().as_millis().max(1);
        u32::try_from(fit).unwrap_or(u32::MAX).clamp(1, CHUNK_FILES)
    }

    /// Chunks that the files make.
    pub fn chunks(self) -> u32 {
        self.files.div_ceil(self.chunk())
    }

    /// Writes the sources into `folder`; gives their bytes.
    pub(crate) fn write(self, folder: &Path) -> io::Result<u64> {
        let mut bytes = 0;
        for number in 0..self.files {
            let path = folder.join(Self::path(number));
            if let Some(module) = path.parent().filter(|_| number % MODULE == 0) {
                fs::create_dir_all(module)?;
            }
            let text = source(number);
            bytes += text.len() as u64;
            fs::write(path, text)?;
        }
        fs::write(folder.join("README.md"), "A project of the simulation.\n")?;
        Ok(bytes)
    }

    /// The workflow over sources of that many bytes.
    pub(crate) fn workflow(self, bytes: u64) -> String {
        // Two versions that share nothing, and little beside: checkpoints have to go for it.
        let disk = bytes * 5 / 2 + 100_000;
        format!(
            r#"version: 1
name: simulated
objective: Replace a call everywhere, document the modules, review the result
budget: {{ wall_time: 7h30m }}
checkpoints: {{ every: 15m, keep: 3, max_disk: {disk} }}
agents:
  planner: {{ plugin: planner }}
  coder: {{ plugin: coder }}
  writer: {{ plugin: writer }}
  reviewer: {{ plugin: reviewer }}
strategies:
  rollback-validate: {{ plugin: rollback-validate, config: {{ validate: reviewer }} }}
permissions: {{ fs: {{ read: ["**"], write: ["**"] }} }}
tasks:
  plan: {{ agent: planner }}
  document: {{ needs: plan, agent: writer, timeout: 4h }}
  change:
    needs: plan
    agent: coder
    for_each: "${{{{ tasks.plan.chunks }}}}"
    with: {{ chunk: "${{{{ item }}}}" }}
    timeout: 1h
  review: {{ needs: [change, document], agent: reviewer, verify: true }}
"#
        )
    }
}

/// A source file of some 1 500 bytes with two calls to be replaced.
fn source(number: u32) -> String {
    let line = |line: u32| match line {
        7 | 19 => format!("    let value_{line} = {OLD}{number}, {line});\n"),
        _ => format!("    let sum_{line} = {number} + {line}; // as it is\n"),
    };
    format!("//! File {number}.\n\nfn work() {{\n{}}}\n", (0..32).map(line).collect::<String>())
}
