//! A test guest that tries what a strategy must not get away with. Its `config` names the mode; `list` tells all modes.
#![cfg(target_arch = "wasm32")]

use longhaul_sdk::{Decision, Rollback, Situation, Strategy};
use serde::Deserialize;
use serde_json::json;
use std::fs;
use std::hint::black_box;

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The mode.
    pub mode: String,
}

/// The guest.
#[derive(Debug)]
pub struct Hostile;

/// What a mode answers.
type Answer = Result<Option<Decision>, String>;

/// All modes by name.
const MODES: &[(&str, fn() -> Answer)] = &[
    ("good", || Ok(Some(Decision::Split))),
    ("loop", endless_loop),
    ("memory", memory),
    ("panic", panics),
    ("name-path", || Ok(Some(Decision::Reassign("../../etc/passwd".to_owned())))),
    ("name-empty", || Ok(Some(Decision::Reassign(String::new())))),
    ("name-nul", || Ok(Some(Decision::Rollback(Rollback { to: None, validate: Some("a\0b".to_owned()) })))),
    ("reason-huge", || Ok(Some(Decision::Escalate("x".repeat(1 << 20))))),
    ("error-huge", || Err("x".repeat(1 << 20))),
    ("wait-for-ever", || Ok(Some(Decision::Retry(u64::MAX)))),
    ("files", files),
    ("log-many", log_many),
];

#[longhaul_sdk::strategy]
impl Strategy for Hostile {
    type Config = Config;

    fn decide(situation: Situation<Config>) -> Answer {
        if situation.config.mode == "list" {
            let names: Vec<&str> = MODES.iter().map(|(name, _)| *name).collect();
            return Ok(Some(Decision::Escalate(names.join(" "))));
        }
        let mode = MODES.iter().find(|(name, _)| *name == situation.config.mode);
        let (_, mode) = mode.ok_or("there is no such mode; `list` tells them")?;
        mode()
    }
}

fn endless_loop() -> Answer {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn memory() -> Answer {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        all.push(vec![1; 1 << 20]);
        black_box(&all);
    }
}

#[expect(clippy::panic, reason = "panicking is what this mode is for")]
fn panics() -> Answer {
    panic!("the strategy loses its nerve");
}

fn log_many() -> Answer {
    for line in 0..10_000 {
        longhaul_sdk::log::info(format!("line {line}"));
    }
    Ok(None)
}

/// Tells what files it got hold of: it must be none.
fn files() -> Answer {
    let got = json!({
        "read": fs::read_to_string("/etc/passwd").is_ok(),
        "list": fs::read_dir("/").map(|entries| entries.count()).unwrap_or(0),
        "write": fs::write("/new", "x").is_ok(),
        "make folder": fs::create_dir("/folder").is_ok(),
        "rename": fs::rename("/etc", "/other").is_ok(),
        "clock": std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map(|t| t.as_millis().to_string()).ok(),
    });
    Ok(Some(Decision::Escalate(got.to_string())))
}
