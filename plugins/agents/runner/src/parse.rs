//! Reads test results: what test programs print, and reports in JUnit's form. All of it is text that anybody may have
//! written, so nothing here fails: what cannot be read is not counted.

pub mod cargo;
pub mod go;
pub mod junit;
pub mod pytest;

use serde::Serialize;

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were left out.
    pub ignored: u64,
}

/// A test that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failed {
    /// Its name, with whatever it is in.
    pub name: String,
    /// What it said.
    pub message: String,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// How many tests ended how.
    pub totals: Totals,
    /// Those that failed, in the order in which they were told.
    pub failed: Vec<Failed>,
}

impl Totals {
    /// Adds the numbers of others.
    pub fn add(&mut self, other: Self) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
        self.ignored = self.ignored.saturating_add(other.ignored);
    }

    /// How many there were.
    pub fn all(&self) -> u64 {
        self.passed.saturating_add(self.failed).saturating_add(self.ignored)
    }
}
