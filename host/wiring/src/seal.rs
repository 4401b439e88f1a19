//! Trees, heads and the signing key as the store's sealer.

use longhaul_audit::note::{Checkpoint, Origin, SignerKey};
use longhaul_audit::tree::Frontier;
use longhaul_core::id::RunId;
use longhaul_store::{Sealed, Sealer, Sealing};
use std::collections::HashMap;

/// Seals the records of a state folder with one key.
pub struct RecordSealer {
    key: SignerKey,
    trees: HashMap<i64, (Origin, Frontier)>,
}

impl RecordSealer {
    /// A sealer that signs with `key`.
    pub fn new(key: SignerKey) -> Self {
        Self { key, trees: HashMap::new() }
    }
}

/// What the heads of a run's record begin with.
///
/// # Errors
/// Never for a valid id; the text says what is wrong with it.
pub fn origin_of_run(run: &RunId) -> Result<Origin, String> {
    Origin::new(format!("longhaul/run/{run}")).map_err(|error| error.to_string())
}

/// What the heads of a state folder's log begin with; `first` is the first run in it.
///
/// # Errors
/// As [`origin_of_run`].
pub fn origin_of_log(first: &RunId) -> Result<Origin, String> {
    Origin::new(format!("longhaul/log/{first}")).map_err(|error| error.to_string())
}

impl Sealer for RecordSealer {
    fn begin(&mut self, number: i64, record: Sealing<'_>, kept: Option<&Sealed>) -> Result<(), String> {
        let origin = match record {
            Sealing::Run(run) => origin_of_run(run)?,
            Sealing::Log { first } => origin_of_log(first)?,
        };
        let frontier = match kept {
            None => Frontier::new(),
            Some(kept) => {
                let opened = Checkpoint::open(&kept.note, [self.key.verifier()]).map_err(|error| {
                    let key = self.key.verifier();
                    format!("its newest head cannot be gone on from with the signing key {} ({}): {error}; name the folder of the key that it was signed with by LONGHAUL_KEYS", key.name(), key.id())
                })?;
                if opened.checkpoint.origin != origin {
                    return Err(format!(
                        "its newest head is that of `{}`, and not of `{origin}`",
                        opened.checkpoint.origin
                    ));
                }
                Frontier::resume(&kept.edge, &opened.checkpoint.head).map_err(|error| error.to_string())?
            }
        };
        self.trees.insert(number, (origin, frontier));
        Ok(())
    }

    fn append(&mut self, number: i64, entry: &[u8]) {
        if let Some((_, frontier)) = self.trees.get_mut(&number) {
            frontier.append(entry);
        }
    }

    fn seal(&mut self, number: i64) -> Result<Sealed, String> {
        let (origin, frontier) = self.trees.get(&number).ok_or("nothing of this record was begun")?;
        let head = frontier.head();
        let note = Checkpoint::new(origin.clone(), head).sign([&self.key]).map_err(|error| error.to_string())?;
        Ok(Sealed {
            size: head.size.get(),
            root: head.root.0,
            note: note.to_string().into_bytes(),
            edge: frontier.to_bytes(),
        })
    }
}
