//! The first process of a sandbox, and the command's own until its program takes over.
//!
//! The first process makes the file system that the command sees, starts the command, takes in every orphan, and ends as soon as
//! the command does. In a process namespace of its own it is number 1, so that its end is the end of all others there.

use super::super::wire::{Note, Order, Status, note};
use super::spaces::Spaces;
use super::{confine, probe, sweep};
use rustix::process::{Pid, Signal, WaitOptions, set_child_subreaper, set_parent_process_death_signal, wait};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The folders for programs that every command has.
const PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All that the first process needs.
pub(super) struct Plan<'a> {
    pub(super) order: &'a Order,
    pub(super) spaces: Spaces,
    pub(super) stdin: OwnedFd,
    pub(super) sink: File,
    pub(super) keeper: Pid,
}

/// Makes a second process of this one; none in that one.
pub(super) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the keeper and what it forks have one thread each, so no lock is held by anybody who is not there any more.
    #[expect(unsafe_code, reason = "no safe way to fork exists")]
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// What the first process does; gives its exit code.
pub(super) fn main(mut plan: Plan<'_>) -> i32 {
    match live(&mut plan) {
        Ok(status) => i32::from(note(&mut plan.sink, &Note::Ended { status }).is_err()),
        Err(error) => {
            drop(note(&mut plan.sink, &Note::Broken { error: error.to_string() }));
            1
        }
    }
}

fn live(plan: &mut Plan<'_>) -> io::Result<Status> {
    // It goes with its keeper. That may have gone just before this was said.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if !plan.spaces.processes && rustix::process::getppid() != Some(plan.keeper) {
        return Err(io::Error::other("the keeper is gone"));
    }
    set_child_subreaper(Some(rustix::process::getpid()))?;
    plan.spaces.furnish(plan.order)?;
    let Some(command) = fork()? else { std::process::exit(become_command(plan)) };
    let status = loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((process, status))) if process == command => break status,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    if !plan.spaces.processes {
        sweep::all();
    }
    let signal = status.terminating_signal().map(Status::Signal);
    Ok(signal.unwrap_or(Status::Code(status.exit_status().unwrap_or(1))))
}

/// What the command's process does before its program takes over; comes back only where that did not come about.
fn become_command(plan: &mut Plan<'_>) -> i32 {
    let failed = match prepared(plan) {
        Ok(Some(command)) => {
            let mut command = command;
            let error = command.exec();
            let missing = matches!(error.kind(), io::ErrorKind::NotFound);
            Note::NotRun { error: error.to_string(), missing }
        }
        Ok(None) => return 1,
        Err(error) => Note::Broken { error: error.to_string() },
    };
    drop(note(&mut plan.sink, &failed));
    1
}

/// Puts on every layer, probes them, and gives the program to run; none where a layer is missing that has to stand.
fn prepared(plan: &mut Plan<'_>) -> io::Result<Option<Command>> {
    let order = plan.order;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::stdio::dup2_stdin(&plan.stdin)?;
    std::env::set_current_dir(plan.spaces.start(order)).map_err(|error| {
        let folder = if order.cwd.is_empty() { "." } else { &order.cwd };
        io::Error::new(error.kind(), format!("the folder `{folder}` to start in cannot be used: {error}"))
    })?;
    let layers = confine::confine(order, &plan.spaces)?;
    let isolation = probe::probe(order, &plan.spaces, &layers);
    let stands = |dimension| isolation.iter().any(|reached| reached.dimension == dimension && reached.stands());
    let missing: Vec<_> = order.require.iter().copied().filter(|dimension| !stands(*dimension)).collect();
    note(&mut plan.sink, &Note::Began { isolation })?;
    if !missing.is_empty() {
        note(&mut plan.sink, &Note::Refused { missing })?;
        return Ok(None);
    }
    let Some((program, arguments)) = order.argv.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no program"));
    };
    let tools = order.tools.iter().map(|tool| tool.join("bin")).filter(|folder| folder.is_dir());
    let mut path: Vec<String> = tools.map(|folder| folder.display().to_string()).collect();
    path.push(PROGRAMS.to_owned());
    let scratch = plan.spaces.scratch(order);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", path.join(":"))
        .env("HOME", &scratch)
        .env("TMPDIR", &scratch)
        .env("LANG", "C.UTF-8")
        .envs(order.env.iter().map(|(name, value)| (name, value)));
    Ok(Some(command))
}
