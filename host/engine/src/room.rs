//! The memory of outputs that somebody may still read.
//!
//! An output is kept as long as a task that has not ended can mention it, and a child's as long as its parent is open. What they take in
//! all is bounded: an attempt whose output would be kept beyond that fails, before its work is committed. Attempts that end at the same moment
//! can pass the bound by what the others of them put out.

use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::units::Bytes;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the outputs that a run keeps may take. A hundred thousand elements have 670 bytes each of it.
pub(crate) const MAX_KEPT: Bytes = Bytes(64 << 20);

/// What a value takes beside its text.
const VALUE: u64 = 32;

/// How much of the room for outputs is taken.
#[derive(Debug, Default)]
pub(crate) struct Room(AtomicU64);

impl Room {
    /// An output of this weight is kept.
    pub(crate) fn take(&self, weight: u64) {
        self.0.fetch_add(weight, Ordering::Relaxed);
    }

    /// It is kept no more.
    pub(crate) fn give_back(&self, weight: u64) {
        // The closure always gives a value, so there is no error to look at.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| Some(taken.saturating_sub(weight)));
    }

    /// Whether there is room for `output`. The problem says what to do where there is none.
    pub(crate) fn admit(&self, output: &Value) -> Result<(), Problem> {
        let (taken, weight) = (self.0.load(Ordering::Relaxed), weight(output));
        if taken.saturating_add(weight) <= MAX_KEPT.0 {
            return Ok(());
        }
        let message = format!(
            "the output takes {}, and the outputs that other tasks of the run may still read take {} of the {MAX_KEPT} that there are for \
             them; write what is large to a file and put out its path, or do not mention what is not needed",
            Bytes(weight),
            Bytes(taken)
        );
        Err(Problem::new(IncidentClass::Exhausted, message).with_evidence(json!({ "limit": "outputs" })))
    }
}

/// About what a value takes in memory.
pub(crate) fn weight(value: &Value) -> u64 {
    VALUE
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len() as u64,
            Value::Array(list) => list.iter().map(weight).sum(),
            Value::Object(map) => map.iter().map(|(key, value)| VALUE + key.len() as u64 + weight(value)).sum(),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_weigh_more_than_their_text() {
        assert_eq!(weight(&json!({})), 32);
        assert_eq!(weight(&json!([0, 0, "abc"])), 4 * 32 + 3);
        assert_eq!(weight(&json!({ "key": 1 })), 32 + 32 + 3 + 32);
    }

    #[test]
    fn what_was_given_back_can_be_taken_again() {
        let room = Room::default();
        room.take(MAX_KEPT.0 - 40);
        assert!(room.admit(&json!("four")).is_ok());
        let problem = room.admit(&json!("and five")).err().or_else(|| room.admit(&json!("nine more")).err());
        assert!(problem.is_some_and(|problem| problem.message.contains("write what is large to a file")));
        room.give_back(MAX_KEPT.0);
        assert!(room.admit(&json!("nine more")).is_ok());
    }
}
