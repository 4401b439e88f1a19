//! What of an entry has to be the same when the attempt is done again.

use longhaul_core::attempt::{Outcome, Usage};
use longhaul_core::entry::Entry;
use longhaul_core::incident::Problem;

/// Whether two ends are the same, but for the budget of the run that was to blame: that is the operator's, and may be another one by now.
fn is_same_end(before: &Result<Outcome, Problem>, after: &Result<Outcome, Problem>) -> bool {
    let own = |problem: &Problem| {
        let mut problem = problem.clone();
        problem.evidence.as_object_mut().map(|evidence| evidence.remove("budget"));
        problem
    };
    match (before, after) {
        (Err(before), Err(after)) => before == after || own(before) == own(after),
        (before, after) => before == after,
    }
}

/// Whether a replayed entry is the recorded one. Time and memory are the machine's, prices the operator's; everything else is the guest's.
pub(super) fn is_same(recorded: &Entry, now: &Entry) -> bool {
    match (recorded, now) {
        (
            Entry::AttemptEnded { result: before, usage: used_before },
            Entry::AttemptEnded { result: after, usage: used_after },
        ) => is_same_end(before, after) && exact(used_before) == exact(used_after),
        (recorded, now) => recorded == now,
    }
}

fn exact(usage: &Usage) -> (u64, u64, u64, u64) {
    (usage.fuel.0, usage.actions, usage.denials, usage.tokens.0)
}
