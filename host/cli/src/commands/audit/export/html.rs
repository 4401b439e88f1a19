//! `longhaul audit export --html`: what the report says beside the record is found out here.

use super::target::Target;
use crate::failure::{Exit, Failure};
use crate::keys;
use crate::terminal::say;
use crate::verification::{Beliefs, StateFolder};
use longhaul_audit::html::{Body, Comparer, FileChange, Files, Gathered, MAX_FILE, Told, Verdict, Verified};
use longhaul_core::change::ChangeKind;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::RunId;
use longhaul_store::{Of, Reader, StoreError};
use longhaul_wiring::{content_of, deltas_of};
use longhaul_workspace::diff::{Delta, Leaf};
use std::io::Write;
use std::path::Path;

/// The most files that are compared; the others are counted.
const MAX_FILES: usize = 500;

/// Writes the report of a run; tells whether its record was found to be altered.
pub(super) fn write(reader: &Reader, state: &Path, run: &RunId, target: &mut Target) -> Result<bool, Failure> {
    let mut gathered = Gathered::default();
    let (mut first, mut last) = (None, None);
    for raw in reader.raw_entries(Of::Run(run)).map_err(unread)? {
        let raw = raw.map_err(unread)?;
        let Ok(record) = serde_json::from_slice::<Record>(&raw.bytes) else {
            gathered.unread();
            continue;
        };
        match &record.entry {
            Entry::RunStarted { base, .. } => (first, last) = (Some(*base), Some(*base)),
            Entry::Committed { version, .. } | Entry::RolledBack { version, .. } => last = Some(*version),
            _ => {}
        }
        gathered.add(raw.at, &record);
    }
    let verified = verified(state, reader, run)?;
    let is_altered = verified.verdict == Verdict::Altered;
    let files = match first.zip(last) {
        Some((first, last)) => files(state, first, last),
        None => Files::Unknown("the record does not begin with the start of a run".to_owned()),
    };
    let page = longhaul_audit::html::write(&gathered, &Told { verified, files });
    target.write_all(page.as_bytes()).map_err(|error| target.failed(&error))?;
    if is_altered {
        say(&format!(
            "warning: the record is NOT as it was recorded, as the report says; `longhaul audit verify {run}` says more"
        ));
    }
    Ok(is_altered)
}

fn verified(state: &Path, reader: &Reader, run: &RunId) -> Result<Verified, Failure> {
    let newest = reader.raw_heads(Of::Run(run)).map_err(unread)?.last().and_then(Result::ok);
    let head = newest.map(|raw| String::from_utf8_lossy(&raw.bytes).into_owned());
    let unchecked = |why: String, head| Verified {
        verdict: Verdict::Unchecked(why),
        proven: 0,
        heads: 0,
        key: None,
        findings: Vec::new(),
        head,
    };
    let own = match keys::own() {
        Ok(Some(key)) => vec![key],
        Ok(None) => return Ok(unchecked("This user has no key, so that none is trusted here.".to_owned(), head)),
        Err(failure) => return Ok(unchecked(format!("This user's key cannot be used: {failure}."), head)),
    };
    let verdicts = StateFolder { reader, state, beliefs: Beliefs { keys: &own, held: &[] } }.verify(Some(run))?;
    let of_run = verdicts.iter().find(|verdict| verdict.run.is_some());
    let findings: Vec<String> = verdicts
        .iter()
        .flat_map(|verdict| {
            let of = if verdict.run.is_some() { "" } else { "In the log of all runs: " };
            verdict.findings.iter().map(move |found| format!("{of}{}", found.finding))
        })
        .collect();
    Ok(Verified {
        verdict: if findings.is_empty() { Verdict::AsRecorded } else { Verdict::Altered },
        proven: of_run.map_or(0, |verdict| verdict.proven),
        heads: of_run.map_or(0, |verdict| verdict.heads),
        key: of_run.and_then(|verdict| verdict.key.clone()),
        findings,
        head,
    })
}

/// The files that differ between two versions. That they cannot be had is told in the report: it is of use without them.
fn files(state: &Path, first: Digest, last: Digest) -> Files {
    let deltas = match deltas_of(state, first, last) {
        Ok(deltas) => deltas,
        Err(error) => return Files::Unknown(with_causes(&error)),
    };
    let is_file = |leaf: &Option<Leaf>| leaf.as_ref().is_some_and(|leaf| *leaf != Leaf::Folder);
    let mut changed = deltas.into_iter().filter(|delta| is_file(&delta.before) || is_file(&delta.after));
    let mut comparer = Comparer::default();
    let listed = changed.by_ref().take(MAX_FILES).map(|delta| one(state, &mut comparer, delta)).collect();
    Files::Changed { listed, left_out: changed.count() as u64 }
}

fn one(state: &Path, comparer: &mut Comparer, delta: Delta) -> FileChange {
    let change = match (&delta.before, &delta.after) {
        (None, _) => ChangeKind::Added,
        (_, None) => ChangeKind::Removed,
        _ => ChangeKind::Modified,
    };
    let path = delta.path.as_str().to_owned();
    FileChange { path, change, body: body(state, comparer, &delta) }
}

fn body(state: &Path, comparer: &mut Comparer, delta: &Delta) -> Body {
    let size = |leaf: &Option<Leaf>| match leaf {
        Some(Leaf::File(file)) => Some(file.size),
        _ => None,
    };
    let (before, after) = (size(&delta.before), size(&delta.after));
    if let (Some(Leaf::File(old)), Some(Leaf::File(new))) = (&delta.before, &delta.after)
        && old.digest == new.digest
    {
        let what = if new.executable { "Made executable" } else { "Made not executable" };
        return Body::Note(format!("{what}; its content is the same."));
    }
    if let Some(Leaf::Symlink(target)) = &delta.after {
        return Body::Note(format!("It is a link to {target}."));
    }
    if before.into_iter().chain(after).any(|size| size > MAX_FILE as u64) {
        return Body::Large { before, after };
    }
    let content = |leaf: &Option<Leaf>| match leaf {
        Some(Leaf::File(file)) => content_of(state, file.digest).map(Some),
        _ => Ok(None),
    };
    match (content(&delta.before), content(&delta.after)) {
        (Ok(before), Ok(after)) => comparer.compare(before.as_deref(), after.as_deref()),
        (Err(error), _) | (_, Err(error)) => Body::Note(format!("It cannot be shown: {}.", with_causes(&error))),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

fn unread(error: StoreError) -> Failure {
    Failure::of(Exit::Unverified, "read the record", &error)
}
