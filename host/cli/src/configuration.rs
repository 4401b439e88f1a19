//! How this host is configured: where the file is, and where the secrets are that it names.
//!
//! The file is the operator's. It is never looked for in a workspace, which is what agents write to.

use crate::failure::{Exit, Failure};
use longhaul_services::config::{Config, MAX_BYTES, SecretSource};
use longhaul_services::{Network, Secret};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The variable that names the file.
const VARIABLE: &str = "LONGHAUL_CONFIG";
/// The most bytes of a file that holds a secret.
const MAX_SECRET: u64 = 64 << 10;

/// How this host is configured.
pub(crate) struct Configuration {
    /// The file that says so; none where there is none.
    pub(crate) file: Option<PathBuf>,
    /// What it says; nothing where there is none.
    pub(crate) config: Config,
}

impl Configuration {
    /// Reads the file `given` on the command line, or else the one that [`VARIABLE`] names, or else the one in the user's config folder.
    pub(crate) fn read(given: Option<&Path>) -> Result<Self, Failure> {
        let named = given.map(Path::to_owned).or_else(|| variable(VARIABLE).map(PathBuf::from));
        let (path, has_to_be) = match (named, usual()) {
            (Some(path), _) => (path, true),
            (None, Some(path)) => (path, false),
            (None, None) => return Ok(Self { file: None, config: Config::default() }),
        };
        if !has_to_be && !path.exists() {
            return Ok(Self { file: None, config: Config::default() });
        }
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text));
        read.map_err(|e| {
            Failure::of(Exit::Invalid, format!("read the configuration {}", path.display()), &e)
                .hint(format!("`--config` or {VARIABLE} name another one; docs/models.md says what stands in it"))
        })?;
        let config = Config::read(&text).map_err(|error| {
            // The part behind a semicolon says what to do.
            let message = format!("{}:{}:{}: {}", path.display(), error.line, error.column, error.message);
            match message.split_once("; ") {
                Some((message, hint)) => Failure::new(Exit::Invalid, message).hint(hint),
                None => Failure::new(Exit::Invalid, message),
            }
        })?;
        Ok(Self { file: Some(path), config })
    }
}

/// `longhaul/config.toml` in the user's config folder.
fn usual() -> Option<PathBuf> {
    Some(folder()?.join("config.toml"))
}

/// `longhaul` in the user's config folder.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = folder.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(folder.join("longhaul"))
}

pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Connections, with the certificates that the configuration adds to those of the machine.
pub(crate) fn network(config: &Config) -> Result<Network, Failure> {
    let Some(ca) = &config.ca else { return Ok(Network::default()) };
    let hint = "`ca` under `[network]` of the configuration names a file of certificates";
    let doing = || format!("read the certificates in {}", ca.display());
    let pem = std::fs::read(ca).map_err(|e| Failure::of(Exit::Invalid, doing(), &e).hint(hint))?;
    Network::trusting(&pem).map_err(|reason| {
        Failure::new(Exit::Invalid, format!("the certificates in {} cannot be used: {reason}", ca.display())).hint(hint)
    })
}

/// The secret at its place, or why it cannot be read.
pub(crate) fn secret(source: &SecretSource) -> Result<Secret, String> {
    let secret = match source {
        SecretSource::Env(name) => match std::env::var(name) {
            Ok(value) => Secret::new(&value),
            Err(std::env::VarError::NotPresent) => return Err("it is not set".to_owned()),
            Err(std::env::VarError::NotUnicode(_)) => return Err("it is not a text".to_owned()),
        },
        SecretSource::File(path) => {
            let mut text = String::new();
            let read = File::open(path).and_then(|file| file.take(MAX_SECRET + 1).read_to_string(&mut text));
            read.map_err(|error| error.to_string())?;
            if text.len() as u64 > MAX_SECRET {
                return Err(format!("it has more than {MAX_SECRET} bytes"));
            }
            Secret::new(&text)
        }
    };
    if secret.is_empty() { Err("it is empty".to_owned()) } else { Ok(secret) }
}
