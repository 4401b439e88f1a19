//! The key that the record is sealed with: where it is, and journals that are sealed by it.

use crate::failure::{Exit, Failure, unopened};
use longhaul_audit::key::KeyFolder;
use longhaul_audit::note::{KeyName, SignerKey, VerifierKey};
use longhaul_store::{Journal, Options, StateLock};
use longhaul_wiring::RecordSealer;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names the folder of the signing key.
pub(crate) const VARIABLE: &str = "LONGHAUL_KEYS";

/// Opens the journal of the state folder that `lock` holds, to be sealed as it is written. The key is made at first use.
pub(crate) fn open_journal(lock: impl Into<Arc<StateLock>>) -> Result<Journal, Failure> {
    let lock = lock.into();
    let key = signer(lock.folder())?;
    let folder = lock.folder().to_owned();
    Journal::sealed(lock, Options::default(), RecordSealer::new(key))
        .map_err(|error| unopened(format!("open the record in {}", folder.display()), &error))
}

/// The folder of the signing key: what the variable says, else `longhaul/keys` in the user's config folder.
pub(crate) fn folder() -> Result<PathBuf, Failure> {
    crate::configuration::variable(VARIABLE)
        .map(PathBuf::from)
        .or_else(|| Some(crate::configuration::folder()?.join("keys")))
        .ok_or_else(|| {
            Failure::new(Exit::Invalid, "there is no folder for the key that the record is sealed with")
                .hint(format!("set HOME, or name the folder with {VARIABLE}"))
        })
}

/// The public half of the key of this user; none where there is no key yet.
pub(crate) fn own() -> Result<Option<VerifierKey>, Failure> {
    Ok(existing()?.map(|key| key.verifier().clone()))
}

/// The key of this user; none where there is none yet.
pub(crate) fn existing() -> Result<Option<SignerKey>, Failure> {
    KeyFolder::new(folder()?).load().map_err(|error| refused(&error))
}

fn signer(state: &Path) -> Result<SignerKey, Failure> {
    let folder = folder()?;
    apart(&folder, state)?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let host: String = host.chars().map(|c| if is_plain(c) { c } else { '-' }).take(64).collect();
    let name = KeyName::new(format!("longhaul/{host}"));
    let name = name.map_err(|error| Failure::of(Exit::Internal, "name the signing key", &error))?;
    let mut random = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(std::io::Error::other);
    KeyFolder::new(folder).load_or_create(&name, &mut random).map_err(|error| refused(&error))
}

/// Agents see the workspace, so the key must not lie in it.
fn apart(keys: &Path, state: &Path) -> Result<(), Failure> {
    let real = |path: &Path| {
        let existing = path.ancestors().find_map(|folder| Some((folder, folder.canonicalize().ok()?)));
        existing.map_or_else(
            || path.to_owned(),
            |(folder, real)| path.strip_prefix(folder).map_or(real.clone(), |rest| real.join(rest)),
        )
    };
    let workspace = match state.file_name() {
        Some(name) if name == crate::state::NAME => state.parent().unwrap_or(state),
        _ => state,
    };
    if real(keys).starts_with(real(workspace)) {
        let message = format!("the signing key would lie in the workspace, where agents are: {}", keys.display());
        return Err(Failure::new(Exit::Invalid, message).hint(format!("name a folder outside of it with {VARIABLE}")));
    }
    Ok(())
}

fn refused(error: &longhaul_audit::key::KeyError) -> Failure {
    Failure::of(Exit::Refused, "use the key that the record is sealed with", error)
        .hint(format!("{VARIABLE} names another folder for it"))
}
