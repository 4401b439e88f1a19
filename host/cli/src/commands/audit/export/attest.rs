//! `longhaul audit export --in-toto`. Nothing is signed that does not verify.

use super::events::each;
use super::target::Target;
use crate::failure::{Exit, Failure};
use crate::keys;
use crate::verification::{Beliefs, StateFolder, Verdict};
use longhaul_audit::export::dsse::Envelope;
use longhaul_audit::export::statement::{Gathering, PAYLOAD_TYPE};
use longhaul_audit::note::Checkpoint;
use longhaul_core::id::RunId;
use longhaul_store::{Of, Reader};
use std::io::Write;
use std::path::Path;

pub(super) fn write(reader: &Reader, state: &Path, run: &RunId, target: &mut Target) -> Result<(), Failure> {
    let key = keys::existing()?.ok_or_else(|| {
        Failure::new(Exit::Invalid, "there is no signing key that a statement could be signed with")
            .hint(format!("name the folder of the key that the record was sealed with by {}", keys::VARIABLE))
    })?;
    let trusted = [key.verifier().clone()];
    let folder = StateFolder { reader, state, beliefs: Beliefs { keys: &trusted, held: &[] } };
    let verdicts = folder.verify(Some(run))?;
    if let Some(verdict) = verdicts.iter().find(|verdict| !verdict.findings.is_empty()) {
        let message = format!("a statement about it is not signed: {}", Verdict::to_text(verdict).trim_end());
        return Err(Failure::new(Exit::Unverified, message));
    }
    let heads = reader.raw_heads(Of::Run(run)).map_err(|e| Failure::of(Exit::Internal, "read the heads", &e))?;
    let newest = heads.last().transpose().map_err(|e| Failure::of(Exit::Internal, "read the heads", &e))?;
    let newest = newest.ok_or_else(|| Failure::new(Exit::Invalid, "the run is not sealed yet"))?;
    let opened = Checkpoint::open(&newest.bytes, &trusted)
        .map_err(|e| Failure::of(Exit::Unverified, "use its newest head", &e))?;
    let covered = opened.checkpoint.head.size.get();
    let mut gathering = Gathering::new(run.clone());
    each(reader, run, |line| {
        // What no head covers yet is not stated.
        if let Some(record) = line.record().filter(|_| line.position.0 < covered) {
            gathering.entry(record);
        }
        Ok(())
    })?;
    let statement = gathering.finish(&opened.checkpoint, &String::from_utf8_lossy(&newest.bytes));
    let statement = statement.ok_or_else(|| Failure::new(Exit::Invalid, "the run has no beginning that is sealed"))?;
    let envelope = Envelope::sign(PAYLOAD_TYPE, &statement.to_string(), &key);
    let text = serde_json::to_string(&envelope).map_err(|e| Failure::of(Exit::Internal, "write the statement", &e))?;
    writeln!(target, "{text}").map_err(|error| target.failed(&error))
}
