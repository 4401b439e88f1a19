//! Checks of single values: durations, sizes, limits, permissions.

use super::check::{Checker, at};
use super::raw::{Quantity, RawLimits, RawPermissions};
use crate::attempt::{Limits, MAX_TABLE_ELEMENTS};
use crate::grant::{self, FsPermissions, Permissions};
use crate::units::{Bytes, Fuel, Money, parse_count, parse_duration, parse_money, parse_size};
use crate::web::WebPattern;
use std::time::Duration;

impl Checker<'_> {
    /// A span of time greater than zero.
    pub(super) fn duration(&mut self, path: &[String], text: &str) -> Option<Duration> {
        match parse_duration(text) {
            Ok(span) if !span.is_zero() => Some(span),
            Ok(_) => {
                self.error(path, "the time is zero", "write how long it may take, as in `30m`");
                None
            }
            Err(error) => {
                self.text_error(path, 0, &error.to_string());
                None
            }
        }
    }

    /// A count.
    pub(super) fn count(&mut self, path: &[String], text: Option<&Quantity>) -> Option<u64> {
        parse_count(&text?.0).map_err(|error| self.text_error(path, 0, &error.to_string())).ok()
    }

    /// A size.
    pub(super) fn size(&mut self, path: &[String], text: Option<&Quantity>) -> Option<Bytes> {
        parse_size(&text?.0).map_err(|error| self.text_error(path, 0, &error.to_string())).ok()
    }

    /// An amount of money.
    pub(super) fn money(&mut self, path: &[String], text: Option<&Quantity>) -> Option<Money> {
        parse_money(&text?.0).map_err(|error| self.text_error(path, 0, &error.to_string())).ok()
    }

    /// A span of time that is not too short to mean anything.
    pub(super) fn at_least_a_second(&mut self, path: &[String], text: &str) -> Option<Duration> {
        let span = self.duration(path, text)?;
        if span < Duration::from_secs(1) {
            self.error(path, "it is at least a second", "write `1s` or more");
            return None;
        }
        Some(span)
    }

    /// `limits` with what `raw` sets.
    pub(super) fn limits(&mut self, path: &[String], raw: Option<&RawLimits>, mut limits: Limits) -> Limits {
        let Some(raw) = raw else { return limits };
        let RawLimits { fuel, memory, stall, call_time, call_bytes, handles, table_elements, disk, files, log, events } =
            raw;
        let field = |name: &str| -> Vec<String> { path.iter().cloned().chain([name.to_owned()]).collect() };
        if let Some(fuel) = self.count(&field("fuel"), fuel.as_ref()) {
            limits.fuel = Fuel(fuel);
        }
        let sizes: [(&str, &Option<Quantity>, &mut Bytes); 4] = [
            ("memory", memory, &mut limits.memory),
            ("call_bytes", call_bytes, &mut limits.call_bytes),
            ("disk", disk, &mut limits.disk),
            ("log", log, &mut limits.log),
        ];
        for (name, text, limit) in sizes {
            *limit = self.size(&field(name), text.as_ref()).unwrap_or(*limit);
        }
        if let Some(text) = stall {
            limits.stall = self.at_least_a_second(&field("stall"), text).or(limits.stall);
        }
        if let Some(text) = call_time {
            limits.call_time = self.duration(&field("call_time"), text).unwrap_or(limits.call_time);
        }
        limits.handles = handles.unwrap_or(limits.handles);
        limits.table_elements = self.table_elements(&field("table_elements"), *table_elements, limits.table_elements);
        limits.files = files.unwrap_or(limits.files);
        limits.events = self.count(&field("events"), events.as_ref()).unwrap_or(limits.events);
        limits
    }

    /// More than what a pool of instances is made for would have no effect.
    fn table_elements(&mut self, path: &[String], given: Option<u32>, usual: u32) -> u32 {
        if let Some(given) = given.filter(|given| *given > MAX_TABLE_ELEMENTS) {
            let problem = format!("{given} table elements are more than a component can have");
            self.error(path, problem, format!("at most {MAX_TABLE_ELEMENTS} are possible, which is also the default"));
        }
        given.unwrap_or(usual)
    }

    /// Permissions as the grant takes them. What cannot be enforced is an error.
    pub(super) fn permissions<'k>(
        &mut self,
        path: &[String],
        raw: RawPermissions,
        agents: impl IntoIterator<Item = &'k str> + Clone,
    ) -> Permissions {
        let RawPermissions { fs, exec, env, http, model, memory, messages, tasks, human } = raw;
        let field = |steps: &[String]| -> Vec<String> { path.iter().chain(steps).cloned().collect() };
        if let Some(fs) = &fs {
            for (name, list) in [("read", &fs.read), ("write", &fs.write)] {
                for (i, pattern) in list.iter().enumerate() {
                    if let Err(error) = grant::patterns(std::slice::from_ref(pattern)) {
                        let path = field(at!["fs", name, i.to_string()]);
                        self.error(&path, error.to_string(), "write it like `src/**`");
                    }
                }
            }
        }
        for (i, argv) in exec.iter().flatten().enumerate() {
            if argv.first().is_none_or(String::is_empty) {
                let path = field(at!["exec", i.to_string()]);
                self.error(&path, "a command has no program", "write it like `[\"cargo\", \"test\"]`");
            }
        }
        for (i, name) in env.iter().flatten().enumerate() {
            if name.is_empty() || name.contains(['=', '\0', '*']) {
                let path = field(at!["env", i.to_string()]);
                self.error(&path, "this is no name of an environment variable", "write it like `RUST_LOG`");
            }
        }
        for (i, url) in http.iter().flatten().enumerate() {
            if let Err(error) = WebPattern::parse(url) {
                let hint = "write it like `https://api.example.com/v1/*` or `GET https://api.example.com/*`";
                self.error(
                    &field(at!["http", i.to_string()]),
                    format!("this is not a pattern of addresses: {}", error.reason),
                    hint,
                );
            }
        }
        let closed = [
            ("memory", &memory, ["task", "run", "workflow"].as_slice()),
            ("human", &human, ["ask", "approve"].as_slice()),
        ];
        for (name, list, known) in closed {
            for (i, word) in list.iter().flatten().enumerate() {
                if !known.contains(&word.as_str()) {
                    let what = if name == "memory" { "memory scope" } else { "question kind" };
                    self.unknown(&field(at![name, i.to_string()]), what, word, known.iter().copied());
                }
            }
        }
        for (i, agent) in tasks.iter().flatten().enumerate() {
            if agent != "*" && !agents.clone().into_iter().any(|known| known == agent) {
                self.unknown(&field(at!["tasks", i.to_string()]), "agent", agent, agents.clone());
            }
        }
        Permissions {
            fs: fs.map(|fs| FsPermissions { read: fs.read, write: fs.write }),
            exec,
            env,
            http,
            model,
            memory,
            messages,
            tasks,
            human,
        }
    }
}
