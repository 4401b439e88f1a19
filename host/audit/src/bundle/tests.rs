//! Bundles of every form, and of none.

use super::*;
use crate::note::Origin;
use longhaul_core::id::RunId;
use std::io::{BufReader, Read as _};

const BODIES: [&[u8]; 4] = [b"{\"a\":\"\\n\"}", "«é»\n\u{7f}\u{2028}".as_bytes(), b"tab\t", b"\xff\xfe"];

fn bundle() -> Vec<u8> {
    let origin = |text: &str| Origin::new(text).unwrap();
    let run = RunId::new("night").unwrap();
    let mut writer = Writer::new(Vec::new(), run, origin("longhaul/run/night"), Some(origin("log"))).unwrap();
    writer.row(Kind::LogEntry, 0, b"{}").unwrap();
    writer.row(Kind::Head, 4, b"a note\n").unwrap();
    for (at, body) in BODIES.iter().enumerate() {
        writer.row(Kind::Entry, at as u64, body).unwrap();
    }
    writer.finish().unwrap()
}

fn survey(bytes: &[u8]) -> Result<Survey, BundleError> {
    Survey::read(bytes, |_| ())
}

#[track_caller]
fn flaws(bytes: &[u8]) -> Vec<Flaw> {
    survey(bytes).unwrap().flaws
}

/// The bundle with one of its lines, counted from 1, written in another way.
fn rewritten(number: usize, line: &str) -> Vec<u8> {
    let bytes = bundle();
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let line = format!("{line}\n");
    lines[number - 1] = line.as_bytes();
    lines.concat()
}

#[test]
fn bytes_of_all_sorts_come_back_as_they_were() {
    let bytes = bundle();
    let found = survey(&bytes).unwrap();
    assert_eq!((found.flaws, found.further, found.unknown), (vec![], 0, vec![]));
    let rows = Rows::new(bytes.as_slice(), Kind::Entry).unwrap().map(Result::unwrap);
    let expected = BODIES.iter().enumerate().map(|(at, body)| (at as u64, body.to_vec()));
    assert_eq!(rows.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(Rows::new(bytes.as_slice(), Kind::LogHead).unwrap().count(), 0);
    // Through a reader that gives a byte at a time as well.
    assert_eq!(Survey::read(BufReader::with_capacity(1, bytes.as_slice()), |_| ()).unwrap().flaws, []);
}

#[test]
fn a_line_that_could_be_written_in_another_way_is_damaged() {
    for line in [
        r#"{"entry":{"at":0, "body":"x"}}"#,
        r#"{"entry":{"body":"x","at":0}}"#,
        r#"{"entry":{"at":0,"body":"\u0078"}}"#,
        r#"{"entry":{"at":0,"body":"x","base64":"eA=="}}"#,
        r#"{"entry":{"at":0,"base64":"eA=="}}"#,
        r#"{"entry":{"at":0,"base64":"/w="}}"#,
        r#"{"entry":{"at":0}}"#,
        r#"{"entry":{"at":-1,"body":"x"}}"#,
        r#"{"entry":{"at":0,"note":"x"}}"#,
        r#"{"entry":[0,"x"]}"#,
        r#"{"entry":{"at":0,"body":"x"}} "#,
        r#"{"Entry":{}}"#,
        r#"{"":{}}"#,
        r#"{"more":"#,
        "",
    ] {
        let found = flaws(&rewritten(5, line));
        assert_eq!(found[0], Flaw::Line { number: 5, problem: LineProblem::Malformed }, "{line}");
        let missing = Flaw::Count { what: "entries of the run", expected: 4, found: 3 };
        assert_eq!(found[1..], [missing], "{line}");
    }
}

#[test]
fn lines_that_are_too_many_too_few_or_elsewhere_are_flaws() {
    let bytes = bundle();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(flaws(&lines[..lines.len() - 1].concat()), [Flaw::NoEnd]);
    assert_eq!(flaws(&[&bytes, lines[2]].concat()), [Flaw::Beyond { number: 9 }]);
    let cut = [Flaw::Line { number: 8, problem: LineProblem::NotEnded }, Flaw::NoEnd];
    assert_eq!(flaws(&bytes[..bytes.len() - 1]), cut);
    let moved = [&lines[..2], &lines[3..5], &lines[2..3], &lines[5..]].concat().concat();
    let misplaced = Flaw::Misplaced { number: 5, kind: Kind::Head };
    assert_eq!(flaws(&moved), [misplaced, Flaw::Count { what: "heads of the run", expected: 1, found: 0 }]);
}

#[test]
fn a_line_of_an_unknown_kind_is_told_and_counted() {
    let found = survey(&rewritten(5, r#"{"later-kind":{"anything":1}}"#)).unwrap();
    assert_eq!(found.unknown, [("later-kind".to_owned(), 5)]);
    assert_eq!(found.flaws, [Flaw::Count { what: "entries of the run", expected: 4, found: 3 }]);
}

#[test]
fn a_line_without_end_takes_no_memory_and_the_next_one_is_read() {
    let bytes = bundle();
    let (before, after) = bytes.split_at(bytes.len() - 1);
    let long = std::io::repeat(b'x').take(MAX_LINE as u64 + 1);
    let found =
        Survey::read(BufReader::with_capacity(1 << 20, before.chain(&b"\n"[..]).chain(long).chain(after)), |_| ());
    assert_eq!(found.unwrap().flaws, [Flaw::Beyond { number: 9 }]);
    let long = std::io::repeat(b'x').take(MAX_LINE as u64 + 1);
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let (header, rest) = bytes.split_at(at);
    let from = header.chain(long).chain(&b"\n"[..]).chain(rest);
    let found = Survey::read(BufReader::with_capacity(1 << 20, from), |_| ()).unwrap().flaws;
    assert_eq!(found[0], Flaw::Line { number: 2, problem: LineProblem::TooLong });
    assert!(matches!(found[1..], [Flaw::Count { expected: 7, found: 8, .. }]), "{found:?}");
}

#[test]
fn what_is_no_bundle_is_refused() {
    let text = String::from_utf8(bundle()).unwrap();
    let header = text.lines().next().unwrap();
    for bad in ["", "\n", "{}\n", "hello", header, &header.replace("longhaul-bundle", "other"), &format!(" {header}\n")]
    {
        assert!(matches!(survey(bad.as_bytes()), Err(BundleError::NoBundle)), "{bad}");
    }
    let later = text.replacen("\"version\":1", "\"version\":7,\"new\":true", 1);
    assert!(matches!(survey(later.as_bytes()), Err(BundleError::OtherVersion { found: 7 })));
    let long = std::io::repeat(b'{').take(1 << 30);
    assert!(matches!(Survey::read(BufReader::new(long), |_| ()), Err(BundleError::NoBundle)));
}
