//! Applies whose user goes on working in the folder, and those whose contents are lost.

use super::{Fixture, gates, listing, path};
use crate::apply::ApplyError;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The number of the gate after which the folder is changed: the one that the log is written behind.
fn gate_of_log(fixture: &Fixture) -> usize {
    let fixture = fixture.again();
    let (workspace, mut asked, mut found) = (fixture.open(), 0, None);
    let log = fixture.state.path().join("apply/log.json");
    let gate = &mut || {
        if found.is_none() && log.exists() {
            found = Some(asked - 1);
        }
        asked += 1;
        Ok(())
    };
    workspace.apply_with(fixture.from, fixture.to, gate).unwrap();
    found.unwrap()
}

#[test]
fn what_the_user_saves_meanwhile_is_never_overwritten() {
    let whole = Fixture::new();
    let (total, log) = (gates(&whole), gate_of_log(&whole));
    let mut outcomes = [0, 0, 0];
    for moment in 0..total {
        for (name, text) in [("a", "mine"), ("new", "mine"), ("gone", "mine")] {
            let fixture = whole.again();
            let (root, old) = (fixture.folder.path(), listing(fixture.folder.path()));
            let mut left = moment;
            let outcome = fixture.open().apply_with(fixture.from, fixture.to, &mut || {
                left = left.wrapping_sub(1);
                if left == usize::MAX {
                    std::fs::write(root.join(name), text).unwrap();
                }
                Ok(())
            });
            assert_eq!(std::fs::read_to_string(root.join(name)).unwrap(), text, "`{name}` at {moment}");
            match outcome {
                Ok(_) => outcomes[0] += 1,
                Err(ApplyError::Changed { paths }) => {
                    assert_eq!(paths, [path(name)], "at {moment}");
                    let mut expected = old;
                    expected.insert(name.to_owned(), text.to_owned());
                    assert_eq!(listing(root), expected, "all else is as it was: `{name}` at {moment}");
                    assert!(!fixture.state.path().join("apply/log.json").exists());
                    outcomes[1 + usize::from(moment > log)] += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 2), "{outcomes:?}");
    assert!(outcomes[1] >= 3 * log, "before the log is written nothing is applied at all: {outcomes:?}");
}

#[test]
fn what_the_user_saves_while_an_apply_is_taken_back_is_kept() {
    let whole = Fixture::new();
    let log = gate_of_log(&whole);
    let fixture = whole.again();
    let a = fixture.folder.path().join("a");
    let mut asked = 0;
    let outcome = fixture.open().apply_with(fixture.from, fixture.to, &mut || {
        asked += 1;
        if asked > log + 1 && std::fs::read_to_string(&a).unwrap() == "one" {
            std::fs::write(&a, "mine").unwrap();
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    });
    assert!(matches!(outcome, Err(ApplyError::Stuck { .. })), "{outcome:?}");
    assert_eq!(std::fs::read_to_string(&a).unwrap(), "mine");
    assert!(fixture.try_open().unwrap_err().to_string().contains("`a`"), "the user is told");
    assert_eq!(std::fs::read_to_string(&a).unwrap(), "mine");
}

#[test]
fn content_that_is_half_ready_is_not_taken_for_whole() {
    let whole = Fixture::new();
    let (fixture, log) = (whole.again(), gate_of_log(&whole));
    let workspace = fixture.open();
    let mut asked = 0;
    let _ = catch_unwind(AssertUnwindSafe(|| {
        workspace.apply_with(fixture.from, fixture.to, &mut || {
            asked += 1;
            if asked > log + 1 { resume_unwind(Box::new("crash")) } else { Ok(()) }
        })
    }));
    drop(workspace);
    // What was ready is lost, and so is what it was made of: recovery fails again and again.
    let (apply, objects) = (fixture.state.path().join("apply"), fixture.state.path().join("objects"));
    for entry in std::fs::read_dir(&apply).unwrap().map(Result::unwrap) {
        if entry.file_name() != "log.json" {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let digest = longhaul_core::digest::Digest::of(b"one").to_string();
    let object = objects.join(&digest[..2]).join(&digest[2..]);
    std::fs::write(&object, "o").unwrap();
    for _ in 0..3 {
        assert!(matches!(fixture.try_open(), Err(crate::WorkspaceError::Apply(ApplyError::Stuck { .. }))));
        assert_eq!(std::fs::read_to_string(fixture.folder.path().join("a")).unwrap(), "1");
    }
    std::fs::write(&object, "one").unwrap();
    assert_eq!(fixture.version(), fixture.to);
}
