//! Where an export is written: stdout, or a file that is there as a whole or not at all.

use crate::failure::{Exit, Failure};
use crate::terminal::say;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// An export under way. What is not finished leaves no file.
pub(super) struct Target {
    out: BufWriter<Box<dyn Write>>,
    file: Option<Unfinished>,
}

/// A file under a name of its own until it is complete.
struct Unfinished {
    handle: File,
    path: PathBuf,
    under: PathBuf,
    force: bool,
}

impl Target {
    /// Opens what `given` names: a file, or stdout for `-`. Where nothing is given it is the file `usual`, and stdout where there is none.
    pub(super) fn open(given: Option<&Path>, usual: Option<&str>, force: bool) -> Result<Self, Failure> {
        let path = match (given, usual) {
            (Some(path), _) if path == Path::new("-") => None,
            (Some(path), _) => Some(path.to_owned()),
            (None, usual) => usual.map(PathBuf::from),
        };
        let Some(path) = path else {
            return Ok(Self { out: BufWriter::new(Box::new(io::stdout())), file: None });
        };
        if !force && path.symlink_metadata().is_ok() {
            return Err(there(&path));
        }
        let mut under = path.clone().into_os_string();
        under.push(format!(".{}.part", std::process::id()));
        let under = PathBuf::from(under);
        let opened = OpenOptions::new().write(true).create_new(true).open(&under);
        let handle = opened.map_err(|e| Failure::of(Exit::Invalid, format!("write {}", under.display()), &e))?;
        let out = handle.try_clone().map_err(|e| unwritten(Some(&path), &e))?;
        Ok(Self { out: BufWriter::new(Box::new(out)), file: Some(Unfinished { handle, path, under, force }) })
    }

    /// What went wrong while it was written.
    pub(super) fn failed(&self, error: &io::Error) -> Failure {
        unwritten(self.file.as_ref().map(|file| file.path.as_path()), error)
    }

    /// Makes what was written durable, under its own name.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        match self.out.flush() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe && self.file.is_none() => return Ok(()),
            flushed => flushed.map_err(|e| self.failed(&e))?,
        }
        let Some(file) = &self.file else { return Ok(()) };
        file.handle.sync_all().map_err(|e| self.failed(&e))?;
        let named = if file.force {
            std::fs::rename(&file.under, &file.path)
        } else {
            // A link is made only where nothing is yet.
            std::fs::hard_link(&file.under, &file.path)
        };
        match named {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(there(&file.path)),
            named => named.map_err(|e| self.failed(&e))?,
        }
        say(&format!("wrote {}", file.path.display()));
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.out.write(bytes) {
            // Whoever closes the pipe early has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe && self.file.is_none() => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It was renamed, or is not wanted any more.
        drop(std::fs::remove_file(&self.under));
    }
}

fn there(path: &Path) -> Failure {
    Failure::new(Exit::Invalid, format!("{} is there already", path.display()))
        .hint("name another file with `--output FILE`, or overwrite it with `--force`")
}

fn unwritten(path: Option<&Path>, error: &io::Error) -> Failure {
    let what = path.map_or_else(|| "stdout".to_owned(), |path| path.display().to_string());
    Failure::of(Exit::Internal, format!("write {what}"), error)
}
