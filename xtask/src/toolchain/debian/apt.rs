//! Calls of apt, which need the rights of root to install but not to download.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process;

/// Some 140 MB are installed at most; a mirror slower than that is not worth waiting for.
pub(crate) const LIMIT: Duration = Duration::from_secs(900);

/// A call of `apt-get` that changes the system, or none where this user may not.
pub(crate) fn as_root() -> Option<Command> {
    let mut command = if is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        // `-n`: a question for a password would wait for ever where nobody watches.
        process::capture(Command::new("sudo").args(["-n", "true"])).ok()?;
        sudo.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    };
    command.args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300"]).env("DEBIAN_FRONTEND", "noninteractive");
    Some(command)
}

/// A call of `apt-get` that knows only one sources file and keeps all its state in `folder`.
pub(crate) fn apart(folder: &Path, sources: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.current_dir(folder).arg("-q");
    let mut option = |name: &str, value: &Path| {
        command.arg("-o").arg(format!("{name}={}", value.display()));
    };
    option("Dir::Etc::sourcelist", sources);
    option("Dir::Etc::sourceparts", Path::new("-"));
    option("Dir::State::Lists", &folder.join("lists"));
    option("Dir::Cache", &folder.join("cache"));
    // Hooks of the machine are for its own package lists, and only root may run them.
    option("APT::Update::Post-Invoke", Path::new(""));
    option("APT::Update::Post-Invoke-Success", Path::new(""));
    command
}

fn is_root() -> bool {
    process::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
