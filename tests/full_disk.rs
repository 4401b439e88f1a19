//! Disks that are full: what is told, and that nothing is lost.
#![allow(clippy::unwrap_used, reason = "the helpers of tests end in a panic where what they rely on is not there")]

use longhaul_tests::{Place, SmallDisk, Tree};
use std::fs;

const FLOW: &str = r#"
version: 1
name: replace
agents:
  codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } }
permissions: { fs: { read: ["**"], write: ["**"] } }
tasks: { change: { agent: codemod } }
"#;

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    if !SmallDisk::allowed("a_full_disk_is_told_and_nothing_is_lost") {
        return;
    }
    let place = Place::new();
    // Half of the state's room is taken by the import, and what the agent writes needs all of it again.
    let text = |n: usize| format!("{n} ").repeat(200) + &"old ".repeat(2_000);
    for n in 0..100 {
        place.file(&format!("f{n}.txt"), text(n));
    }
    let before = place.tree();
    let disk = place.outside().join("disk");
    for size in ["40k", "300k", "1m", "1400k"] {
        let _disk = SmallDisk::new(&disk, size);
        let ended = place.run(FLOW, &["--state", disk.to_str().unwrap()]);
        assert_ne!(ended.status.code(), Some(0), "{size}: {ended}");
        let told = ["disk is full", "No space left", "no space"].iter().any(|text| ended.stderr.contains(text));
        assert!(told, "{size}: it says that the disk is full: {ended}");
        assert!(ended.stderr.contains(disk.to_str().unwrap()), "{size}: it says which: {ended}");
        assert_eq!(place.tree().differences(&before), [""; 0], "{size}");
    }
    let _disk = SmallDisk::new(&disk, "64m");
    place.run(FLOW, &["--state", disk.to_str().unwrap()]).code(0);
    assert_ne!(place.tree(), before, "with room it works");
}

#[test]
fn a_workspace_that_cannot_be_written_keeps_its_old_content() {
    if !SmallDisk::allowed("a_workspace_that_cannot_be_written_keeps_its_old_content") {
        return;
    }
    let place = Place::new();
    let small = place.outside().join("small");
    let _disk = SmallDisk::new(&small, "256k");
    // The result is larger than what is left of the workspace's disk; the state lies on another one.
    for n in 0..4 {
        fs::write(small.join(format!("f{n}.txt")), "old ".repeat(8_000)).unwrap();
    }
    let before = Tree::read(&small);
    let flow = FLOW.replace("replace: new", "replace: \"something much longer than before\"");
    let state = place.outside().join("state");
    let ended = place.run(&flow, &["-C", small.to_str().unwrap(), "--state", state.to_str().unwrap()]).code(3);
    ended.says(&["was not applied", "everything was put back", "No space left"]);
    assert_eq!(Tree::read(&small).differences(&before), [""; 0], "all or nothing");
}
