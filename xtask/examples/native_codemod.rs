//! The native tool that the agent `codemod` is measured against: walk, replace, write, on one thread.
//!
//! `native_codemod FOLDER PATTERN REPLACEMENT` changes the `.rs` files below the folder. It does what a hurried person's script
//! does, with no record, no isolation and no flush.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use regex::Regex;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, pattern, replacement] = arguments.as_slice() else {
        return Err("expected FOLDER PATTERN REPLACEMENT".into());
    };
    let pattern = Regex::new(pattern)?;
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path)?;
                let changed = pattern.replace_all(&text, replacement);
                if changed != text {
                    fs::write(&path, changed.as_bytes())?;
                }
            }
        }
    }
    Ok(())
}
