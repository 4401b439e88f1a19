//! What of their grants the agents of a run used: the smallest policy that would have been enough.
//!
//! Files are named one by one as long as they are few, then by their folders. What a command reads leaves no trace, so where commands were run the
//! patterns for reading stay as they were given. A grant of `exec` is the first two words of the command, one of `http` an address without its query.

use super::deed::{Deed, Outcome};
use longhaul_core::entry::{Entry, Record};
use longhaul_core::grant::{Capability, FsPermissions, Party, Permissions};
use std::collections::{BTreeMap, BTreeSet};

/// The most paths that are named one by one.
const PATHS: usize = 40;
/// The most folders that are named one by one.
const FOLDERS: usize = 40;
/// The most addresses of one host that are named one by one.
const ADDRESSES: usize = 8;

type Texts = BTreeSet<String>;

/// What was granted, and what of it was used.
#[derive(Debug, Clone, Default)]
pub struct Used {
    read: Texts,
    write: Texts,
    exec: BTreeSet<Vec<String>>,
    env: Texts,
    http: Texts,
    model: Texts,
    memory: Texts,
    messages: Texts,
    tasks: Texts,
    human: Texts,
    /// What tasks were given, all of them together.
    given: Given,
}

#[derive(Debug, Clone, Default)]
struct Given {
    read: Texts,
    /// By their names in a policy, each line.
    lines: BTreeMap<&'static str, Texts>,
    tasks: Texts,
}

impl Used {
    /// Takes note of an entry: what an attempt is granted stands at its beginning.
    pub fn record(&mut self, record: &Record) {
        let Entry::AttemptStarted { grant, .. } = &record.entry else { return };
        for (_, given) in grant.iter().filter(|(party, _)| *party == Party::Task) {
            let fs = given.fs.clone().unwrap_or_default();
            self.given.read.extend(fs.read.iter().cloned());
            self.given.tasks.extend(given.tasks.iter().flatten().cloned());
            let exec: Vec<_> = given.exec.iter().flatten().map(|words| words.join(" ")).collect();
            let lists = [
                ("fs.read", Some(&fs.read)),
                ("fs.write", Some(&fs.write)),
                ("exec", Some(&exec)),
                ("env", given.env.as_ref()),
                ("http", given.http.as_ref()),
                ("model", given.model.as_ref()),
                ("memory", given.memory.as_ref()),
                ("messages", given.messages.as_ref()),
                ("tasks", given.tasks.as_ref()),
                ("human", given.human.as_ref()),
            ];
            for (name, list) in lists {
                self.given.lines.entry(name).or_default().extend(list.into_iter().flatten().cloned());
            }
        }
    }

    /// Takes note of a deed. What was refused used nothing.
    pub fn deed(&mut self, deed: &Deed) {
        if matches!(deed.outcome, Outcome::Denied { .. }) {
            return;
        }
        let resource = deed.resource.clone();
        match deed.capability {
            Capability::Fs => self.file(deed),
            Capability::Exec => {
                self.exec.insert(resource.split_whitespace().take(2).map(str::to_owned).collect());
                let named = deed.detail.split_once(", with ").map(|(_, rest)| rest);
                let named = named.map(|rest| rest.split_once(", given ").map_or(rest, |(names, _)| names));
                self.env.extend(named.into_iter().flat_map(|names| names.split(", ")).map(str::to_owned));
            }
            Capability::Http => {
                let end = resource.find(['?', '#']).unwrap_or(resource.len());
                self.http.insert(resource[..end].to_owned());
            }
            Capability::Model => drop(self.model.insert(resource)),
            Capability::Memory => {
                let scopes = ["task", "run", "workflow"].into_iter();
                self.memory.extend(
                    scopes.filter(|scope| deed.detail.split([' ', ',']).any(|word| word == *scope)).map(str::to_owned),
                );
            }
            Capability::Messages if matches!(deed.operation.as_str(), "send" | "publish" | "subscribe") => {
                self.messages.insert(resource);
            }
            // Whoever only receives has to be given the capability as such.
            Capability::Messages => {}
            Capability::Tasks if deed.operation == "spawn" => match self.given.tasks.contains(&resource) {
                true => drop(self.tasks.insert(resource)),
                // It was asked for by skills, or everybody is granted.
                false => self.tasks.extend(self.given.tasks.iter().cloned()),
            },
            Capability::Human => drop(self.human.insert(deed.operation.clone())),
            _ => {}
        }
    }

    fn file(&mut self, deed: &Deed) {
        let path = escaped(&deed.resource);
        if path.is_empty() || path == "." {
            return;
        }
        let opened = deed.operation == "open";
        if deed.is_write() || opened && deed.detail.contains("write") {
            self.write.insert(path.clone());
            let to = deed.detail.strip_prefix("to ").filter(|_| deed.operation == "rename");
            self.write.extend(to.map(escaped));
        }
        if !deed.is_write() || opened && deed.detail.contains("read") {
            self.read.insert(path);
        }
    }

    /// The smallest permissions that would have been enough.
    pub fn smallest(&self) -> Permissions {
        let list = |texts: &Texts| (!texts.is_empty()).then(|| texts.iter().cloned().collect::<Vec<_>>());
        let read = match self.exec.is_empty() {
            true => patterns(&self.read),
            false => self.given.read.iter().cloned().collect(),
        };
        let write = patterns(&self.write);
        let is_given = |name: &str| self.given.lines.get(name).is_some_and(|lines| !lines.is_empty());
        Permissions {
            fs: (!read.is_empty() || !write.is_empty()).then_some(FsPermissions { read, write }),
            exec: (!self.exec.is_empty()).then(|| self.exec.iter().cloned().collect()),
            env: list(&self.env),
            http: list(&addresses(&self.http)),
            model: list(&self.model),
            memory: list(&self.memory),
            messages: list(&self.messages).or_else(|| is_given("messages").then(Vec::new)),
            tasks: list(&self.tasks),
            human: list(&self.human),
        }
    }

    /// Lines that tasks were given and that nothing was done with, as `FIELD: LINE`. Of patterns only those that are whole capabilities are told.
    pub fn never(&self) -> Vec<String> {
        let is_used = |name: &str| match name {
            "fs.read" => !self.read.is_empty() || !self.exec.is_empty(),
            "fs.write" => !self.write.is_empty(),
            "exec" => !self.exec.is_empty(),
            "http" => !self.http.is_empty(),
            _ => true,
        };
        let exact = |name: &str, line: &String| match name {
            "env" => self.env.contains(line),
            "model" => self.model.contains(line),
            "memory" => self.memory.contains(line),
            "messages" => self.messages.contains(line) || line.contains('*') && !self.messages.is_empty(),
            "tasks" => self.tasks.contains(line),
            "human" => self.human.contains(line),
            "exec" => self.exec.iter().any(|words| {
                let words = words.join(" ");
                words.starts_with(line.as_str()) || line.starts_with(words.as_str())
            }),
            _ => true,
        };
        let all = self.given.lines.iter().flat_map(|(name, lines)| lines.iter().map(move |line| (*name, line)));
        all.filter(|(name, line)| !is_used(name) || !exact(name, line))
            .map(|(name, line)| format!("{name}: {line}"))
            .collect()
    }
}

/// A path as a pattern that fits nothing else.
fn escaped(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// The paths themselves, or the folders that they are in, or the outermost of those.
fn patterns(paths: &Texts) -> Vec<String> {
    if paths.len() <= PATHS {
        return paths.iter().cloned().collect();
    }
    let within = |folder: Option<(&str, &str)>, deep: &str| match folder {
        Some((folder, _)) => format!("{folder}/{deep}"),
        None => "*".to_owned(),
    };
    let folders: Texts = paths.iter().map(|path| within(path.rsplit_once('/'), "*")).collect();
    if folders.len() <= FOLDERS {
        // The folders themselves may have been listed.
        let listed = paths.iter().filter(|path| folders.contains(&format!("{path}/*"))).cloned();
        return folders.iter().cloned().chain(listed).collect::<Texts>().into_iter().collect();
    }
    paths.iter().map(|path| within(path.split_once('/'), "**")).collect::<Texts>().into_iter().collect()
}

/// The addresses themselves, or everything at a host of which many were asked.
fn addresses(all: &Texts) -> Texts {
    let origin = |address: &str| {
        let (scheme, rest) = address.split_once("://")?;
        Some(format!("{scheme}://{}/", rest.split('/').next()?))
    };
    let mut hosts: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for address in all {
        hosts.entry(origin(address).unwrap_or_else(|| address.clone())).or_default().push(address);
    }
    let named = hosts.into_iter().flat_map(|(origin, addresses)| match addresses.len() > ADDRESSES {
        true => vec![format!("{origin}*")],
        false => addresses.into_iter().cloned().collect(),
    });
    named.collect()
}
