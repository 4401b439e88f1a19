//! Ends what is left of a command where no namespace does it: every process that was handed to this one when its own parent ended.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use std::time::{Duration, Instant};

/// How long processes that are being ended may take for it; a process that hangs in the kernel takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends all children of this process, and theirs as they become its own, until there are none.
pub(super) fn all() {
    let until = Instant::now() + PATIENCE;
    loop {
        match wait(WaitOptions::NOHANG) {
            // One more is gone; its own children are this process's now.
            Ok(Some(_)) => continue,
            Ok(None) if Instant::now() < until => {}
            // None is left, or one cannot be ended.
            Ok(None) | Err(_) => return,
        }
        // Only now: to look for them is to look at every process of the machine.
        for child in children() {
            let _ = kill_process(child, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The children of this process.
fn children() -> Vec<Pid> {
    let own = rustix::process::getpid();
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let numbers = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.filter(|number| parent(*number) == Some(own.as_raw_nonzero().get())).filter_map(Pid::from_raw).collect()
}

/// The parent of a process: the second field behind its name, which may hold anything.
fn parent(process: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}
