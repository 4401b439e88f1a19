//! Checks of hooks: each is told of something, calls one thing, and may.

use super::check::{Checker, at};
use super::near;
use super::raw::{Names, RawHook};
use super::source::FieldPath;
use crate::approvals::Approvals;
use crate::grant::Permissions;
use crate::hook::{HookEvent, HookSpec, HookTarget};
use crate::id::Name;
use crate::web::{Address, WebPattern};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most hooks of a workflow: each reads the record along with the run.
const MAX_HOOKS: usize = 20;
/// The most tries of one call.
const MAX_ATTEMPTS: u32 = 20;
/// How often a call is tried where nothing is said.
const ATTEMPTS: u32 = 3;
/// The wall time of one try where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Checks the hooks; `given` is what the workflow gives them.
pub(super) fn check(
    checker: &mut Checker<'_>,
    raw: IndexMap<String, RawHook>,
    given: &Permissions,
    approvals: &Approvals,
) -> BTreeMap<Name, HookSpec> {
    if raw.len() > MAX_HOOKS {
        let message = format!("the workflow has {} hooks, more than {MAX_HOOKS}", raw.len());
        checker.error(at!["hooks"], message, "let one hook be told of several events");
        return BTreeMap::new();
    }
    let mut hooks = BTreeMap::new();
    for (text, hook) in raw {
        let Some(name) = checker.name_key(at!["hooks", &text], &text) else { continue };
        let field = |field: &str| -> FieldPath { at!["hooks", &text, field].to_vec() };
        let RawHook { on, run, post, headers, attempts, timeout } = hook;
        let on = events(checker, &field("on"), on);
        if run.is_some() && !headers.is_empty() {
            checker.error(&field("headers"), "a command has no header lines", "leave `headers` out, or write `post`");
        }
        let target = match (run, post) {
            (Some(argv), None) => command(checker, &field("run"), argv, given),
            (None, Some(url)) => address(checker, &field("post"), url, headers, given),
            _ => {
                let message = "a hook calls one thing";
                checker.error(at!["hooks", &text], message, "write either `run: [COMMAND, …]` or `post: ADDRESS`");
                None
            }
        };
        let has_to_be_approved = match &target {
            Some(HookTarget::Run(argv)) => approvals.command(argv),
            Some(HookTarget::Post { url, .. }) => Address::parse(url).is_ok_and(|url| approvals.request("POST", &url)),
            None => false,
        };
        if has_to_be_approved {
            let message = "a person has to approve this each time, and a hook cannot wait for that";
            checker.error(at!["hooks", &text], message, "leave it to a task, or take it out of `approvals`");
        }
        let attempts = attempts.unwrap_or(ATTEMPTS);
        if !(1..=MAX_ATTEMPTS).contains(&attempts) {
            let message = format!("a call is tried 1 to {MAX_ATTEMPTS} times");
            checker.error(&field("attempts"), message, "write a number in this range");
        }
        let timeout = timeout.and_then(|text| checker.at_least_a_second(&field("timeout"), &text)).unwrap_or(TIMEOUT);
        if let Some(target) = target {
            hooks.insert(name, HookSpec { on, target, attempts, timeout });
        }
    }
    hooks
}

fn events(checker: &mut Checker<'_>, path: &[String], on: Names) -> Vec<HookEvent> {
    let known = || HookEvent::ALL.iter().map(|event| event.as_str());
    let mut events = Vec::new();
    for name in &on.names {
        match HookEvent::ALL.iter().find(|event| event.as_str() == name) {
            Some(event) => events.push(*event),
            None => checker.unknown(path, "event", name, known().collect::<Vec<_>>()),
        }
    }
    if on.names.is_empty() {
        checker.error(path, "the hook is told of nothing", near::known("events", known()));
    }
    events
}

fn command(checker: &mut Checker<'_>, path: &[String], argv: Vec<String>, given: &Permissions) -> Option<HookTarget> {
    if argv.is_empty() || argv.iter().any(|word| word.contains('\0')) {
        checker.error(path, "the command is empty or has a NUL in it", "write it like `[notify, --all]`");
        return None;
    }
    if !given.gives_command(&argv) {
        let line = format!("add `exec: [{argv:?}]` to the workflow's `permissions`");
        checker.error(path, "the workflow's permissions do not cover the command", line);
    }
    Some(HookTarget::Run(argv))
}

fn address(
    checker: &mut Checker<'_>,
    path: &[String],
    url: String,
    headers: IndexMap<String, String>,
    given: &Permissions,
) -> Option<HookTarget> {
    let address = match Address::parse(&url) {
        Ok(address) => address,
        Err(error) => {
            let message = format!("this is no web address: {error}");
            checker.error(path, message, "write it like `https://example.com/hook`");
            return None;
        }
    };
    let mut patterns = given.http.iter().flatten().filter_map(|text| WebPattern::parse(text).ok());
    if !patterns.any(|pattern| pattern.covers("POST", &address)) {
        let line = format!("add `http: [{url:?}]` to the workflow's `permissions`");
        checker.error(path, "the workflow's permissions do not cover the address", line);
    }
    Some(HookTarget::Post { url, headers: headers.into_iter().collect() })
}
