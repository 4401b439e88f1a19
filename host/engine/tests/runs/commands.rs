//! Commands in memory: a ground is a copy of the stage's files, and a command a function that changes it.

use crate::files::{Files, MemoryStage, Tree};
use longhaul_core::commands::{Command, Commands, ExitStatus, Finished, Follow, Site, Written};
use longhaul_core::digest::Digest;
use longhaul_core::grant::{FsAccess, Grant};
use longhaul_core::ground::{Claim, Ground, GroundError, Taken};
use longhaul_core::path::StagePath;
use longhaul_core::reach::{BoxFuture, ServiceError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a command does to the files: gives its exit code.
type Work = Arc<dyn Fn(&[String], &mut Tree) -> i32 + Send + Sync>;

/// Runs functions as commands. It outlives every process, and remembers what was run.
#[derive(Clone)]
pub(crate) struct FakeCommands {
    files: Arc<Files>,
    work: Work,
    /// How long each takes, if it may.
    takes: Duration,
    pub(crate) ran: Arc<Mutex<Vec<String>>>,
}

impl FakeCommands {
    pub(crate) fn new(files: &Arc<Files>, work: impl Fn(&[String], &mut Tree) -> i32 + Send + Sync + 'static) -> Self {
        Self { files: files.clone(), work: Arc::new(work), takes: Duration::from_millis(5), ran: Arc::default() }
    }

    /// The same, each of which takes that long.
    pub(crate) fn taking(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }
}

impl Commands for FakeCommands {
    fn run<'a>(&'a self, command: Command, _: Arc<dyn Follow>) -> BoxFuture<'a, Result<Finished, ServiceError>> {
        Box::pin(async move {
            let duration = self.takes.min(command.limits.time);
            tokio::time::sleep(duration).await;
            self.ran.lock().unwrap().push(command.argv.join(" "));
            let place = command.site.ground.display().to_string();
            let mut grounds = self.files.grounds.lock().unwrap();
            let status = match (self.work)(&command.argv, grounds.get_mut(&place).unwrap()) {
                _ if self.takes > duration => ExitStatus::TimedOut,
                code => ExitStatus::Code(code),
            };
            let written = |text: String| Written {
                size: text.len() as u64,
                digest: Digest::of(text.as_bytes()),
                head: text.into_bytes(),
                tail: Vec::new(),
            };
            Ok(Finished {
                status,
                stdout: written(format!("{} ran", command.argv.join(" "))),
                stderr: written(String::new()),
                duration,
                isolation: Vec::new(),
            })
        })
    }
}

/// The ground of one stage.
pub(crate) struct FakeGround {
    pub(crate) files: Arc<Files>,
    pub(crate) stage: Arc<MemoryStage>,
}

impl FakeGround {
    fn place(&self) -> String {
        format!("{:p}", Arc::as_ptr(&self.stage))
    }
}

impl Ground for FakeGround {
    fn claim(&self) -> BoxFuture<'_, Claim> {
        Box::pin(std::future::ready(Claim::new(())))
    }

    fn lay<'a>(&'a self, grant: &'a Grant, _: &'a Claim) -> BoxFuture<'a, Result<Site, GroundError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let mut tree = self.stage.0.lock().unwrap().clone();
            tree.retain(|path, _| grant.check_fs(&StagePath::new(path).unwrap(), FsAccess::Read).is_ok());
            self.files.grounds.lock().unwrap().insert(self.place(), tree);
            Ok(Site { ground: self.place().into(), ..Site::default() })
        })
    }

    fn take<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Result<Taken, GroundError>> {
        Box::pin(async move {
            let ground = self.files.grounds.lock().unwrap().remove(&self.place()).unwrap();
            let mut stage = self.stage.0.lock().unwrap();
            let mut changed = 0;
            for (path, text) in ground {
                let may = grant.check_fs(&StagePath::new(&path).unwrap(), FsAccess::Write).is_ok();
                if may && stage.get(&path) != Some(&text) {
                    stage.insert(path, text);
                    changed += 1;
                }
            }
            // What the stage is now stands for what changed in it.
            let mut kept = stage.clone();
            kept.insert("(kept)".to_owned(), self.place());
            Ok(Taken { tree: Some(self.files.add(&kept)), changed, ..Taken::default() })
        })
    }

    fn put(&self, tree: Digest) -> BoxFuture<'_, Result<(), GroundError>> {
        Box::pin(async move {
            assert!(self.files.has(tree), "what a replay needs was collected");
            let mut kept = self.files.version(tree);
            kept.remove("(kept)");
            *self.stage.0.lock().unwrap() = kept;
            Ok(())
        })
    }
}
