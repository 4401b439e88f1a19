//! The world outside the host: a service that agents change things at, and that remembers what was done there.

use crate::check::Broken;
use longhaul_core::effect::IdempotencyKey;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What was done outside, by key.
#[derive(Debug, Default)]
pub(crate) struct Outside(Mutex<BTreeMap<IdempotencyKey, Done>>);

#[derive(Debug, Clone, Copy)]
struct Done {
    times: u32,
    is_idempotent: bool,
}

impl Outside {
    /// Does what has this key. The service knows the keys of what it is asked twice, where it may be.
    pub(crate) fn act(&self, key: IdempotencyKey, is_idempotent: bool) {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        done.entry(key).or_insert(Done { times: 0, is_idempotent }).times += 1;
    }

    /// Nothing was done twice that may not be, and of what may be, `expected` different things were done.
    pub(crate) fn check(&self, expected: usize) -> Result<(), Broken> {
        let done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, _)) = done.iter().find(|(_, done)| !done.is_idempotent && done.times > 1) {
            return Err(Broken(format!("what has the key {key} was done twice outside, and may not be")));
        }
        let found = done.values().filter(|done| done.is_idempotent).count();
        match found == expected {
            true => Ok(()),
            false => Err(Broken(format!("{found} things were done outside, and {expected} were to be done"))),
        }
    }
}
