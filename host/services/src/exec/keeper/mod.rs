//! The keeper of one command: a process outside the sandbox that sets it up, watches it, ends it, and tells what became of it.
//!
//! It has one thread from beginning to end, so it may fork. It ends when the host's end of the socket does, and takes everything with
//! it that the command left: through the first process where the command has a process namespace, else by looking for
//! each process that was handed to it as the reaper of orphans.

mod confine;
mod filter;
mod first;
mod probe;
mod spaces;
mod sweep;
mod watch;

use super::wire::{Note, Order, Outcome, Report, Status, frame, read};
use first::{Plan, fork};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, set_child_subreaper, waitpid};
use spaces::Spaces;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use watch::Watch;

/// How often the keeper looks at what the command uses.
const TICK: Duration = Duration::from_millis(25);
/// The most bytes of notes: they are short, and come from processes that do not run the command yet.
const MAX_NOTES: usize = 256 << 10;

/// The keeper: what a program does that is started with the host's socket as its standard input.
pub fn keeper_main() -> ExitCode {
    match keep() {
        Ok(()) => ExitCode::SUCCESS,
        // The host is told by the end of the socket; there is nobody else to tell.
        Err(_) => ExitCode::FAILURE,
    }
}

fn keep() -> io::Result<()> {
    // A session of its own: what is typed at the host's terminal is not for the command.
    let _ = rustix::process::setsid();
    keep_to_itself()?;
    let mut host = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let order: Order = read(&mut host)?;
    let stdin = standard_input(&mut host, order.stdin)?;
    let report = match run(&order, &host, stdin) {
        Ok(Some(report)) => report,
        // The host has gone, or does not want it any more.
        Ok(None) => return Ok(()),
        Err(error) => Report { isolation: Vec::new(), outcome: Outcome::Broken(error.to_string()) },
    };
    host.write_all(&frame(&report)?)
}

/// Lets no program have what the keeper was given open beside its three streams: files that whoever started the host forgot to close.
fn keep_to_itself() -> io::Result<()> {
    // SAFETY: the call marks descriptors and closes none, so every owner of one still has it.
    #[expect(unsafe_code, reason = "no safe interface marks all descriptors at once")]
    let is_done = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) } == 0;
    if is_done {
        return Ok(());
    }
    // Kernels before 5.11 cannot, and list them.
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if number > 2 {
            // SAFETY: as above; one that is closed by now is refused.
            #[expect(unsafe_code, reason = "the numbers belong to nobody in this program")]
            let _ = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// The bytes for standard input, as a file that nobody can change.
fn standard_input(host: &mut UnixStream, length: u64) -> io::Result<OwnedFd> {
    if length == 0 {
        return Ok(File::open("/dev/null")?.into());
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("stdin", flags)?);
    if io::copy(&mut host.take(length), &mut file)? != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.seek(SeekFrom::Start(0))?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK)?;
    Ok(file.into())
}

/// Runs the order; none where the host wants nothing of it any more.
fn run(order: &Order, host: &UnixStream, stdin: OwnedFd) -> io::Result<Option<Report>> {
    let (notes, sink) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    set_child_subreaper(Some(rustix::process::getpid()))?;
    let spaces = Spaces::enter(order);
    let keeper = rustix::process::getpid();
    let began = Instant::now();
    let Some(first) = fork()? else {
        drop(notes);
        std::process::exit(first::main(Plan { order, spaces, stdin, sink: File::from(sink), keeper }));
    };
    drop((sink, stdin));
    let first = First { pid: first, handle: pidfd_open(first, PidfdFlags::empty())? };
    let mut heard = Heard { pipe: File::from(notes), text: Vec::new(), is_over: false };
    let end = heard.until_the_end(order, host, &first, &spaces, began);
    // Whatever the reason, nothing is left running from here on.
    first.end();
    sweep::all();
    heard.rest()?;
    let (isolation, said) = heard.said();
    Ok(match end? {
        End::NotWanted => None,
        End::TimedOut => Some(Report { isolation, outcome: Outcome::TimedOut }),
        End::Exhausted(what) => Some(Report { isolation, outcome: Outcome::Exhausted(what) }),
        End::Over => Some(Report { isolation, outcome: said }),
    })
}

/// The first process of the sandbox.
struct First {
    pid: Pid,
    handle: OwnedFd,
}

impl First {
    /// Ends it, and with it everything in its namespace.
    fn end(&self) {
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = waitpid(Some(self.pid), WaitOptions::empty());
    }
}

/// Why a command is over.
enum End {
    /// The host does not want it any more.
    NotWanted,
    TimedOut,
    Exhausted(String),
    /// By itself.
    Over,
}

/// What the processes in the sandbox told so far.
struct Heard {
    pipe: File,
    text: Vec<u8>,
    /// Whether nobody can tell anything more.
    is_over: bool,
}

impl Heard {
    fn until_the_end(
        &mut self,
        order: &Order,
        host: &UnixStream,
        first: &First,
        spaces: &Spaces,
        began: Instant,
    ) -> io::Result<End> {
        let mut watch = Watch::new(order);
        let limit = Duration::from_millis(order.limits.time_ms);
        loop {
            let Some(left) = limit.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
                return Ok(End::TimedOut);
            };
            let wait = TICK.min(left);
            let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
            let mut sources = [
                PollFd::new(host, PollFlags::IN | PollFlags::RDHUP),
                PollFd::new(&first.handle, PollFlags::IN),
                PollFd::new(&self.pipe, PollFlags::IN),
            ];
            // A pipe that nobody can write to any more is always ready: to go on asking it would be to spin until the first process is gone.
            let asked_for = if self.is_over { 2 } else { 3 };
            let is_quiet = match poll(&mut sources[..asked_for], Some(&wait)) {
                Ok(ready) => ready == 0,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let [asked, ended, told] = sources.map(|source| source.revents());
            // The host sends nothing more: a sign on its line is its end.
            if !asked.is_empty() {
                return Ok(End::NotWanted);
            }
            if told.contains(PollFlags::IN) {
                self.hear()?;
                // The first note comes when the sandbox is complete.
                watch.begin(first.pid.as_raw_nonzero().get(), spaces);
            } else if told.contains(PollFlags::HUP) {
                self.is_over = true;
            }
            if !ended.is_empty() {
                return Ok(End::Over);
            }
            // Looking takes longer than all else here, and what is heard are the few words before the command runs and after it ended.
            if is_quiet && let Some(what) = watch.look() {
                return Ok(End::Exhausted(what));
            }
        }
    }

    fn hear(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 4096];
        let read = self.pipe.read(&mut buffer)?;
        if self.text.len() + read > MAX_NOTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the sandbox tells too much"));
        }
        self.text.extend_from_slice(&buffer[..read]);
        Ok(read)
    }

    /// Hears what is left. Nobody is there any more who could go on writing.
    fn rest(&mut self) -> io::Result<()> {
        while self.hear()? > 0 {}
        Ok(())
    }

    /// The isolation that was reached, and how it came to its end.
    fn said(&self) -> (Vec<longhaul_core::commands::Isolation>, Outcome) {
        let mut isolation = Vec::new();
        let mut outcome = None;
        for line in self.text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(Note::Began { isolation: reached }) => isolation = reached,
                Ok(Note::Refused { missing }) => outcome = Some(Outcome::Refused(missing)),
                Ok(Note::NotRun { error, missing }) => outcome = Some(Outcome::NotRun { error, missing }),
                Ok(Note::Broken { error }) => outcome = Some(Outcome::Broken(error)),
                // What stopped it from being run came first, and is the reason.
                Ok(Note::Ended { status }) => drop(outcome.get_or_insert(Outcome::Ended(status))),
                Err(_) => {}
            }
        }
        // Nobody but the host ends the first process; a kernel that is out of memory may.
        (isolation, outcome.unwrap_or(Outcome::Ended(Status::Signal(Signal::KILL.as_raw()))))
    }
}
