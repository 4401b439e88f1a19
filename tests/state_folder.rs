//! The state folder is Longhaul's own: what is in it is removed without asking, so nothing else is ever taken for one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Ended, Node, Place, Tree};
use std::fs;
use std::os::unix::fs::symlink;

/// Rewrites everything that it sees.
const REWRITE: &str = r#"
version: 1
name: rewrite
agents:
  codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } }
permissions: { fs: { read: ["**"], write: ["**"] } }
tasks: { change: { agent: codemod } }
"#;

/// Folders with the names of those that are emptied in a state folder, each with a file of the user's.
fn precious() -> Place {
    Place::with(&[("tmp/notes.txt", "old"), ("stages/a.txt", "old"), ("apply/b.txt", "old"), ("objects/c.txt", "old")])
}

/// Runs with `more` and applies, which has to be refused with all that surrounds the workspace untouched.
#[track_caller]
fn refused(place: &Place, more: &[&str], says: &[&str]) -> Ended {
    place.workflow(REWRITE);
    let before = Tree::read(place.outside());
    let ended = place.run(REWRITE, more).code(2).says(says).says(&["hint:"]);
    let apply: Vec<_> = ["apply", "-C", "."].iter().chain(more).collect();
    place.longhaul(apply).code(2);
    assert_eq!(Tree::read(place.outside()).differences(&before), [""; 0]);
    ended
}

#[test]
fn a_link_in_place_of_the_state_folder_is_not_followed() {
    let place = precious();
    symlink(".", place.path(".longhaul")).unwrap();
    refused(&place, &[], &[".longhaul is a link", "--state DIR"]);
    for command in ["runs", "show", "logs", "apply"] {
        place.longhaul([command]).code(2).says(&[".longhaul is a link"]);
    }
    fs::remove_file(place.path(".longhaul")).unwrap();
    symlink("../elsewhere", place.path(".longhaul")).unwrap();
    refused(&place, &[], &[".longhaul is a link"]);
    fs::create_dir(place.outside().join("elsewhere")).unwrap();
    refused(&place, &[], &[".longhaul is a link"]);
    // Named by its own name the folder may lie anywhere.
    place.run(REWRITE, &["--state", "../elsewhere"]).code(0);
    assert_eq!(place.text("tmp/notes.txt"), "new");
}

#[test]
fn a_folder_with_content_of_its_own_is_never_taken_for_one() {
    let place = precious();
    let other = place.outside().join("other");
    fs::create_dir_all(other.join("tmp")).unwrap();
    fs::write(other.join("tmp/notes.txt"), "mine").unwrap();
    place.run(REWRITE, &["--state", "../other"]).code(2).says(&[
        "other is not empty",
        "was not made by Longhaul",
        "--state DIR",
    ]);
    assert_eq!(fs::read_to_string(other.join("tmp/notes.txt")).unwrap(), "mine");
    assert_eq!(Tree::read(&other).0.len(), 2, "nothing was added");
    let empty = place.outside().join("empty");
    fs::create_dir(&empty).unwrap();
    place.longhaul(["apply", "-C", ".", "--state", "../empty"]).code(2).says(&["no journal"]);
    assert_eq!(Tree::read(&empty).0.len(), 0, "where nothing is to be applied nothing is marked");
    fs::create_dir(place.path(".longhaul")).unwrap();
    fs::write(place.path(".longhaul/mine"), "mine").unwrap();
    place.run(REWRITE, &[]).code(2).says(&[".longhaul is not empty"]);
    fs::remove_file(place.path(".longhaul/mine")).unwrap();
    place.run(REWRITE, &["--no-apply"]).code(0);
    place.run(REWRITE, &[]).code(0);
}

#[test]
fn a_state_folder_that_agents_would_see_is_refused() {
    let place = precious();
    for state in [".", "./st", "tmp", "deep/er", "..", "../workspace/x", ".longhaul/x", "../nowhere/../workspace/y"] {
        let before = Tree::read(place.outside());
        place.run(REWRITE, &["--state", state]).code(2).says(&["state folder"]);
        assert_eq!(Tree::read(place.outside()).without("test.workflow.yaml").differences(&before), [""; 0], "{state}");
        fs::remove_file(place.outside().join("test.workflow.yaml")).unwrap();
    }
    refused(&place, &["--state", "./st"], &["lie in one another", "outside of it"]);
    // Through a link as well.
    symlink("workspace", place.outside().join("alias")).unwrap();
    refused(&place, &["--state", "../alias/st"], &["lie in one another"]);
    place.run(REWRITE, &["--state", ".longhaul"]).code(0);
    assert_eq!(place.text("tmp/notes.txt"), "new");
    let mark = Tree::read(&place.path(".longhaul")).0.remove("longhaul-state").unwrap();
    assert!(matches!(mark, Node::File(_, 0o600)), "{mark:?}");
}
