//! Tries, one after the other, with what came of each.
//!
//! A line of the log stands before each try, so that the host's test finds the actions that belong to it.

use serde_json::{Value, json};
use std::io;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

/// What came of a number of tries.
#[derive(Default)]
pub(crate) struct Probe(Vec<Value>);

/// What a refused try got.
pub(crate) trait Refusal {
    fn word(&self) -> String;
}

impl Refusal for ErrorCode {
    fn word(&self) -> String {
        self.name().to_owned()
    }
}

impl Refusal for io::Error {
    fn word(&self) -> String {
        format!("{:?}", self.kind())
    }
}

impl Refusal for longhaul_sdk::Error {
    fn word(&self) -> String {
        match self {
            Self::Denied(denial) => format!("denied: {}", denial.grant),
            other => other.to_string(),
        }
    }
}

impl Probe {
    /// Tries `act` and keeps what came of it; what it got goes with a success.
    pub(crate) fn attempt<T: std::fmt::Debug, E: Refusal>(&mut self, name: &str, act: impl FnOnce() -> Result<T, E>) {
        longhaul_sdk::log::info(format!("try {name}"));
        let result = match act() {
            Ok(value) => json!({ "try": name, "ok": format!("{value:?}") }),
            Err(refusal) => json!({ "try": name, "error": refusal.word() }),
        };
        self.0.push(result);
    }

    /// All of it.
    pub(crate) fn report(self) -> Value {
        json!({ "tries": self.0 })
    }
}

/// The folder `/`, as the host hands it over.
pub(crate) fn root() -> Result<Descriptor, ErrorCode> {
    get_directories().into_iter().next().map(|(root, _)| root).ok_or(ErrorCode::NoEntry)
}

/// Opens for reading, following links.
pub(crate) fn open(at: &Descriptor, path: &str) -> Result<Descriptor, ErrorCode> {
    at.open_at(PathFlags::SYMLINK_FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ)
}

/// Opens with these flags, following links.
pub(crate) fn open_as(
    at: &Descriptor,
    path: &str,
    open: OpenFlags,
    flags: DescriptorFlags,
) -> Result<Descriptor, ErrorCode> {
    at.open_at(PathFlags::SYMLINK_FOLLOW, path, open, flags)
}

/// The beginning of a file's content, or of a folder's listing.
pub(crate) fn read(at: &Descriptor, path: &str) -> Result<String, ErrorCode> {
    let opened = open(at, path)?;
    match opened.read(200, 0) {
        Ok((bytes, _)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(_) => {
            let entries = opened.read_directory()?;
            let mut names = Vec::new();
            while let Some(entry) = entries.read_directory_entry()? {
                names.push(entry.name);
            }
            Ok(names.join(" "))
        }
    }
}
