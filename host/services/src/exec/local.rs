//! Runs commands on this machine: the host's side of a keeper.

use super::output::Collector;
use super::wire::{Layer, Order, OrderLimits, Outcome, Report, Status, frame, length};
use crate::outside;
use longhaul_core::commands::{Command, Commands, Dimension, ExitStatus, Finished, Follow, Isolation, Stream};
use longhaul_core::reach::{BoxFuture, ServiceError};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::runtime::Handle;

/// How much longer than its limit a command is waited for; its keeper ends it in time, unless something holds up that one.
const GRACE: Duration = Duration::from_secs(15);
/// How often whoever follows a command is told that it is still at work.
const SIGN: Duration = Duration::from_secs(1);
/// The most bytes that are handed back of a stream.
const MAX_SHOWN: u64 = 1 << 20;

/// The program that is the keeper: one that calls [`keeper_main`](super::keeper_main).
#[derive(Debug, Clone)]
pub struct Keeper {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// How commands are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The keeper.
    pub keeper: Keeper,
    /// Folders that commands may read and run programs from, beside those of the system. Their `bin` is searched for programs.
    pub tools: Vec<PathBuf>,
    /// Where one of these cannot be enforced, no command is run.
    pub require: Vec<Dimension>,
    /// Layers that are left out, to show what the others do alone.
    pub without: Vec<Layer>,
}

/// Runs commands on this machine.
///
/// Commands are started on the host's own threads: those that ask may be confined, and what they start would be so as well.
pub struct LocalCommands {
    settings: Arc<Settings>,
    threads: Handle,
}

impl LocalCommands {
    /// Runs commands as `settings` say, on the threads of the runtime `threads`.
    pub fn new(settings: Settings, threads: Handle) -> Self {
        Self { settings: Arc::new(settings), threads }
    }

    /// What isolation this machine offers: found out by a command that does nothing.
    ///
    /// # Errors
    /// In words, where it cannot be found out.
    pub async fn probe(&self, command: Command) -> Result<Vec<Isolation>, String> {
        let settings = Settings { require: Vec::new(), ..(*self.settings).clone() };
        let follow = Arc::new(longhaul_core::commands::NotFollowed);
        run(&settings, command, follow).await.map(|finished| finished.isolation).map_err(|error| error.to_string())
    }
}

impl Commands for LocalCommands {
    fn run<'a>(&'a self, command: Command, follow: Arc<dyn Follow>) -> BoxFuture<'a, Result<Finished, ServiceError>> {
        let settings = Arc::clone(&self.settings);
        Box::pin(async move {
            outside::on(&self.threads, async move { run(&settings, command, follow).await }).await.unwrap_or_else(Err)
        })
    }
}

async fn run(settings: &Settings, command: Command, follow: Arc<dyn Follow>) -> Result<Finished, ServiceError> {
    let limits = command.limits;
    let failed = |error: io::Error| ServiceError::Failed(format!("the command cannot be run: {error}"));
    let shown = usize::try_from(limits.shown.0.min(MAX_SHOWN)).unwrap_or(0);
    let collector = |stream, name: &str| {
        let path = command.site.output.join(name);
        Collector::new(&path, shown, limits.output.0, (stream, Arc::clone(&follow))).map_err(failed)
    };
    let (mut stdout, mut stderr) = (collector(Stream::Stdout, "stdout")?, collector(Stream::Stderr, "stderr")?);
    let began = Instant::now();
    let mut kept = Kept::spawn(settings).map_err(failed)?;
    kept.order(&order(settings, &command), &command.stdin).await.map_err(failed)?;
    let ended = {
        let (out, err) = (&mut kept.stdout, &mut kept.stderr);
        let output = async {
            // Both to their ends, or until one of them is too much.
            let both = tokio::try_join!(async { whole(stdout.collect(out).await?) }, async {
                whole(stderr.collect(err).await?)
            });
            match both {
                Ok(_) => Ok(true),
                Err(TooMuch::Told) => Ok(false),
                Err(TooMuch::Failed(error)) => Err(error),
            }
        };
        let signs = async {
            loop {
                tokio::time::sleep(SIGN).await;
                follow.alive();
            }
        };
        tokio::select! {
            ended = output => ended.map_err(failed)?,
            () = signs => true,
            () = tokio::time::sleep(limits.time.saturating_add(GRACE)) => {
                return Err(ServiceError::TimedOut(limits.time));
            }
        }
    };
    if !ended {
        let most = limits.output;
        return Err(ServiceError::Exhausted(format!(
            "the command wrote more than {most} to one stream and was ended; let it write less, or write to a file"
        )));
    }
    let report = kept.report().await.map_err(failed)?;
    let status = status(settings, report.outcome, &command)?;
    Ok(Finished {
        status,
        stdout: stdout.finish(),
        stderr: stderr.finish(),
        duration: began.elapsed(),
        isolation: report.isolation,
    })
}

/// Why no more of a stream is taken in.
enum TooMuch {
    Told,
    Failed(io::Error),
}

impl From<io::Error> for TooMuch {
    fn from(error: io::Error) -> Self {
        TooMuch::Failed(error)
    }
}

fn whole(is_whole: bool) -> Result<(), TooMuch> {
    if is_whole { Ok(()) } else { Err(TooMuch::Told) }
}

fn order(settings: &Settings, command: &Command) -> Order {
    let limits = command.limits;
    let site = &command.site;
    Order {
        argv: command.argv.clone(),
        env: command.env.clone(),
        ground: site.ground.clone(),
        scratch: site.scratch.clone(),
        output: site.output.clone(),
        cwd: command.cwd.as_str().to_owned(),
        caches: site.caches.iter().map(|(place, folder)| (place.as_str().to_owned(), folder.clone())).collect(),
        tools: settings.tools.clone(),
        limits: OrderLimits {
            time_ms: u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX).max(1),
            memory: limits.memory.0,
            processes: limits.processes,
            handles: limits.handles,
            disk: limits.disk.0,
        },
        require: settings.require.clone(),
        without: settings.without.clone(),
        stdin: command.stdin.len() as u64,
    }
}

/// How a command ended, where it was run.
fn status(settings: &Settings, outcome: Outcome, command: &Command) -> Result<ExitStatus, ServiceError> {
    let program = command.argv.first().map_or("", String::as_str);
    match outcome {
        Outcome::Ended(Status::Code(code)) => Ok(ExitStatus::Code(code)),
        Outcome::Ended(Status::Signal(signal)) => Ok(ExitStatus::Signal(signal)),
        Outcome::TimedOut => Ok(ExitStatus::TimedOut),
        Outcome::Exhausted(what) => Err(ServiceError::Exhausted(format!("the command was ended: {what}"))),
        Outcome::Refused(missing) => {
            let missing: Vec<_> = missing.iter().map(|dimension| dimension.as_str()).collect();
            Err(ServiceError::Unavailable(format!(
                "this machine cannot keep a command apart from {}, which is required, so it was not run; see `longhaul doctor`",
                missing.join(" and ")
            )))
        }
        Outcome::NotRun { missing: true, .. } if program.contains('/') => {
            Err(ServiceError::Invalid(format!("`argv`: there is no program `{program}` in the stage")))
        }
        Outcome::NotRun { missing: true, .. } => {
            let tools = if settings.tools.is_empty() { "" } else { " and the tools' folders" };
            Err(ServiceError::Invalid(format!(
                "`argv`: there is no program `{program}` in the system's folders for programs{tools}; install it, or make \
                 its folder known by `--tools`"
            )))
        }
        Outcome::NotRun { error, .. } => {
            Err(ServiceError::Invalid(format!("`argv`: the program `{program}` cannot be run: {error}")))
        }
        Outcome::Broken(error) => {
            Err(ServiceError::Failed(format!("the sandbox for the command cannot be set up: {error}")))
        }
    }
}

/// A keeper at work. It ends, with everything that it keeps, when this is dropped: its end of the socket says so.
struct Kept {
    line: UnixStream,
    stdout: tokio::process::ChildStdout,
    stderr: tokio::process::ChildStderr,
    /// Reaped by the runtime, also after this is dropped.
    _child: Child,
}

impl Kept {
    fn spawn(settings: &Settings) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut child = tokio::process::Command::new(&settings.keeper.program)
            .args(&settings.keeper.args)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let lost = || io::Error::other("the command's output is lost");
        let (stdout, stderr) = (child.stdout.take().ok_or_else(lost)?, child.stderr.take().ok_or_else(lost)?);
        ours.set_nonblocking(true)?;
        Ok(Self { line: UnixStream::from_std(ours)?, stdout, stderr, _child: child })
    }

    async fn order(&mut self, order: &Order, stdin: &[u8]) -> io::Result<()> {
        self.line.write_all(&frame(order)?).await?;
        self.line.write_all(stdin).await
    }

    async fn report(&mut self) -> io::Result<Report> {
        let gone = |_| io::Error::other("its keeper ended without a word");
        let mut header = [0; 4];
        self.line.read_exact(&mut header).await.map_err(gone)?;
        let mut body = vec![0; length(header)?];
        self.line.read_exact(&mut body).await.map_err(gone)?;
        Ok(serde_json::from_slice(&body)?)
    }
}
