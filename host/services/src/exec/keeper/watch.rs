//! Looks at what a command uses while it runs, for the limits that no single process of it has: the number of its processes, the
//! memory of all of them, the disk.
//!
//! Processes are counted where they can be seen as its own: in the process namespace. Disk is measured only when the disk has got
//! fuller by more than the command may take, because measuring it means to walk its folders.

use super::super::wire::Order;
use super::spaces::Spaces;
use longhaul_core::units::Bytes;
use rustix::fs::statvfs;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The most entries of the command's folders that are looked at when the disk is measured; more than a stage can have.
const MAX_ENTRIES: usize = 2_000_000;
/// Looks between two at memory and disk.
const SELDOM: u32 = 4;

/// The watch over one command.
pub(super) struct Watch {
    processes: u32,
    memory: u64,
    disk: u64,
    view: Option<View>,
    /// Its folders, as the keeper reaches them.
    folders: Vec<PathBuf>,
    /// What was free on the disk when it began.
    free: Option<u64>,
    used: u64,
    looks: u32,
}

impl Watch {
    pub(super) fn new(order: &Order) -> Self {
        let folders: Vec<PathBuf> = [&order.ground, &order.scratch]
            .into_iter()
            .chain(order.caches.iter().map(|(_, folder)| folder))
            .cloned()
            .collect();
        let limits = order.limits;
        Self {
            processes: limits.processes,
            memory: limits.memory,
            disk: limits.disk,
            view: None,
            free: free(&order.ground),
            used: 0,
            folders,
            looks: 0,
        }
    }

    /// From now on the command runs below the process `first`.
    pub(super) fn begin(&mut self, first: i32, spaces: &Spaces) {
        self.view.get_or_insert_with(|| View::of(first, spaces));
    }

    /// Looks once; gives what there is too much of.
    pub(super) fn look(&mut self) -> Option<String> {
        self.looks = self.looks.wrapping_add(1);
        let seldom = self.looks.is_multiple_of(SELDOM);
        let view = self.view.as_ref()?;
        if seldom || matches!(view, View::Own(_)) {
            let most = self.processes as usize;
            let processes = view.processes(most);
            let threads = processes.iter().flatten().map(|process| process.threads).sum::<usize>();
            if processes.is_none() || threads > most {
                return Some(format!("it has more than the {most} processes and threads that it may have"));
            }
            let memory: u64 = processes.iter().flatten().map(|process| process.memory).sum();
            if memory > self.memory {
                let (memory, most) = (Bytes(memory), Bytes(self.memory));
                return Some(format!("its processes take {memory} of memory, more than the {most} that they may"));
            }
        }
        if seldom { self.look_at_disk() } else { None }
    }

    fn look_at_disk(&mut self) -> Option<String> {
        let (before, now) = (self.free?, free(self.folders.first()?)?);
        if before.saturating_sub(now) <= self.disk {
            return None;
        }
        // Somebody filled the disk; whether it was this one is seen in its folders. What was there before is little beside it.
        let mut left = MAX_ENTRIES;
        self.used = self.folders.iter().map(|folder| size(folder, &mut left)).sum();
        if self.used > self.disk {
            let (used, most) = (Bytes(self.used), Bytes(self.disk));
            return Some(format!("its files take {used} of disk, more than the {most} that it may add"));
        }
        // It was not; from now on only what comes on top is suspicious.
        self.free = Some(now);
        None
    }
}

/// What is free on the disk of a folder.
fn free(folder: &Path) -> Option<u64> {
    statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// What the files below a folder take. Links are not followed.
fn size(folder: &Path, left: &mut usize) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut sum = 0;
    for entry in entries.flatten() {
        let Some(fewer) = left.checked_sub(1) else { break };
        *left = fewer;
        let Ok(metadata) = entry.metadata() else { continue };
        sum += metadata.blocks() * 512;
        if metadata.is_dir() {
            sum += size(&entry.path(), left);
        }
    }
    sum
}

/// Where the processes of a command can be seen.
enum View {
    /// In the process file system of their own namespace: nobody else is there.
    Own(PathBuf),
    /// Among all processes of the machine, as what descends from the first process.
    All(i32),
}

/// A process of the command.
struct Process {
    parent: i32,
    threads: usize,
    memory: u64,
}

impl View {
    /// Where processes below `first` can be seen, now that it has its file system.
    fn of(first: i32, spaces: &Spaces) -> Self {
        let own = PathBuf::from(format!("/proc/{first}/root/proc"));
        let is_own = spaces.processes && spaces.files && own.join("1/stat").is_file();
        if is_own { View::Own(own) } else { View::All(first) }
    }

    /// All of them but the first, which is the sandbox's own; `None` where there are more than `most`.
    fn processes(&self, most: usize) -> Option<Vec<Process>> {
        match self {
            View::Own(folder) => {
                let others = numbers(folder).into_iter().filter(|number| *number != 1);
                let others: Vec<i32> = others.collect();
                if others.len() > most {
                    return None;
                }
                Some(others.into_iter().filter_map(|number| process(folder, number)).collect())
            }
            View::All(first) => {
                let folder = Path::new("/proc");
                let mut all: HashMap<i32, Vec<(i32, Process)>> = HashMap::new();
                for number in numbers(folder) {
                    if let Some(process) = process(folder, number) {
                        all.entry(process.parent).or_default().push((number, process));
                    }
                }
                let (mut open, mut found) = (vec![*first], Vec::new());
                while let Some(parent) = open.pop() {
                    for (number, process) in all.remove(&parent).unwrap_or_default() {
                        open.push(number);
                        found.push(process);
                    }
                }
                (found.len() <= most).then_some(found)
            }
        }
    }
}

fn numbers(folder: &Path) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn process(folder: &Path, number: i32) -> Option<Process> {
    let stat = fs::read_to_string(folder.join(format!("{number}/stat"))).ok()?;
    // The name may hold anything, so fields are counted from its end.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let statm = fs::read_to_string(folder.join(format!("{number}/statm"))).unwrap_or_default();
    let mut pages = statm.split_whitespace().skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        threads: fields.get(17)?.parse().ok()?,
        memory: resident.saturating_sub(shared).saturating_mul(rustix::param::page_size() as u64),
    })
}
