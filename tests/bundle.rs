//! Bundles are verified without the state folder, by two verifiers that know nothing of each other: what one accepts the other accepts,
//! and nothing that was damaged is accepted by either.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, WORK, binary, guest, python, repository};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many damaged bundles are on the disk at a time.
const BATCH: usize = 2000;

/// Exit code, and the first entry of the run that is found.
type Verdict = (i32, Option<u64>);

/// A bundle of a real run, and who vouches for it.
struct Sealed {
    place: Place,
    key: String,
    head: PathBuf,
    bytes: Vec<u8>,
}

impl Sealed {
    fn new() -> Self {
        let place = Place::with(&[("a.txt", "old")]);
        place.run(WORK, &[]).code(0);
        Self::of(place)
    }

    fn of(place: Place) -> Self {
        let bytes = place.longhaul(["audit", "export", "--bundle", "-o", "-"]).code(0).stdout.into_bytes();
        let key = place.longhaul(["audit", "key"]).code(0).stdout.trim().to_owned();
        let head = place.longhaul(["audit", "head", "last"]).code(0).stdout;
        let head = place.beside("run.head", head);
        Self { place, key, head, bytes }
    }

    fn lines(&self) -> Vec<&[u8]> {
        self.bytes.split_inclusive(|byte| *byte == b'\n').collect()
    }

    /// What both say of each case. They agree, or the test fails.
    fn judge(&self, cases: &[(String, Vec<u8>)], more: &[&str]) -> Vec<Verdict> {
        let mut all = Vec::new();
        for batch in cases.chunks(BATCH) {
            let folder = tempfile::tempdir().unwrap();
            let files: Vec<PathBuf> = (0..batch.len()).map(|at| folder.path().join(format!("{at:06}"))).collect();
            for (file, (_, bytes)) in files.iter().zip(batch) {
                fs::write(file, bytes).unwrap();
            }
            let (first, second) = thread::scope(|scope| {
                let second = scope.spawn(|| self.second(folder.path(), more));
                (self.first(&files, more), second.join().unwrap())
            });
            if let Some(second) = second {
                assert_eq!(second.len(), first.len());
                for ((first, second), (name, _)) in first.iter().zip(&second).zip(batch) {
                    assert_eq!(first, second, "the verifiers disagree on {name}");
                }
            }
            all.extend(first);
        }
        all
    }

    /// What `longhaul` says, in a folder without any state.
    fn first(&self, files: &[PathBuf], more: &[&str]) -> Vec<Verdict> {
        let (next, verdicts) = (AtomicUsize::new(0), Mutex::new(vec![None; files.len()]));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let verdict = self.ask(file, more);
                        let at = files.iter().position(|it| it == file).unwrap();
                        verdicts.lock().unwrap()[at] = Some(verdict);
                    }
                });
            }
        });
        verdicts.into_inner().unwrap().into_iter().map(Option::unwrap).collect()
    }

    fn ask(&self, file: &Path, more: &[&str]) -> Verdict {
        let mut command = Command::new(binary());
        command.current_dir(file.parent().unwrap()).env_clear();
        command.args(["audit", "verify", "--json", "--key", &self.key, "--bundle"]).arg(file).args(more);
        let output = command.output().unwrap();
        let code = output.status.code().unwrap();
        if code == 2 {
            return (code, None);
        }
        let verdicts: Value = serde_json::from_slice(&output.stdout).unwrap();
        let run = verdicts.as_array().unwrap().iter().find(|verdict| !verdict["run"].is_null()).unwrap();
        (code, run["findings"].as_array().unwrap().iter().filter_map(|found| found["entry"].as_u64()).min())
    }

    /// What the second verifier says of all files in a folder; none where there is none on this machine.
    fn second(&self, folder: &Path, more: &[&str]) -> Option<Vec<Verdict>> {
        let mut command = Command::new(python()?);
        command.arg(repository().join("tests/verifier/verify.py")).args(["--key", &self.key]);
        command.args(more.iter().map(|word| if *word == "--since" { "--held" } else { word })).arg("--").arg(folder);
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let verdict = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            (i32::try_from(line["code"].as_i64().unwrap()).unwrap(), line["first"].as_u64())
        };
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        Some(told.lines().map(verdict).collect())
    }

    #[track_caller]
    fn accepts_none(&self, cases: &[(String, Vec<u8>)]) {
        assert!(!cases.is_empty());
        for (verdict, (name, _)) in self.judge(cases, &[]).iter().zip(cases) {
            assert_ne!(verdict.0, 0, "{name} was accepted");
        }
    }
}

fn case(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (name.into(), bytes.into())
}

#[test]
fn a_bundle_is_intact_for_both_verifiers_and_a_flipped_bit_in_any_byte_is_found() {
    let sealed = Sealed::new();
    assert_eq!(sealed.judge(&[case("the original", &*sealed.bytes)], &[]), [(0, None)]);
    let flip = |at: usize| {
        let mut bytes = sealed.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        case(format!("bit {} of byte {at}", at % 8), bytes)
    };
    sealed.accepts_none(&(0..sealed.bytes.len()).map(flip).collect::<Vec<_>>());
}

#[test]
fn a_bundle_that_was_cut_off_anywhere_is_found() {
    let sealed = Sealed::new();
    let cut = |length| case(format!("the first {length} bytes"), &sealed.bytes[..length]);
    sealed.accepts_none(&(0..sealed.bytes.len()).map(cut).collect::<Vec<_>>());
}

#[test]
fn lines_that_were_moved_or_dropped_are_found_and_so_are_entries_that_were_renumbered() {
    let sealed = Sealed::new();
    let lines = sealed.lines();
    let mut cases = Vec::new();
    for one in 0..lines.len() {
        let mut dropped = lines.clone();
        dropped.remove(one);
        cases.push(case(format!("without line {one}"), dropped.concat()));
        let mut twice = lines.clone();
        twice.insert(one, lines[one]);
        cases.push(case(format!("line {one} twice"), twice.concat()));
        for other in one + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(one, other);
            cases.push(case(format!("lines {one} and {other} exchanged"), swapped.concat()));
        }
    }
    // Somebody who knows the format keeps the numbers right.
    let entries: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with(br#"{"entry":"#)).collect();
    let body = |at: usize| {
        let line: Value = serde_json::from_slice(lines[at]).unwrap();
        line["entry"]["body"].as_str().unwrap().to_owned()
    };
    let entry = |at: usize, body: &str| format!("{{\"entry\":{{\"at\":{at},\"body\":{}}}}}\n", Value::from(body));
    for (one, line) in entries.iter().enumerate() {
        for (other, with) in entries.iter().enumerate().skip(one + 1) {
            let (first, second) = (entry(one, &body(*with)), entry(other, &body(*line)));
            let mut swapped = lines.clone();
            (swapped[*line], swapped[*with]) = (first.as_bytes(), second.as_bytes());
            cases.push(case(format!("the bodies of entries {one} and {other} exchanged"), swapped.concat()));
        }
        let mut bodies: Vec<String> = entries.iter().map(|at| body(*at)).collect();
        bodies.remove(one);
        let rest = bodies.iter().enumerate().map(|(at, body)| entry(at, body));
        let before = lines[..entries[0]].concat();
        let end = String::from_utf8(lines[lines.len() - 1].to_vec()).unwrap();
        let end = end
            .replace(&format!("\"lines\":{}", lines.len() - 1), &format!("\"lines\":{}", lines.len() - 2))
            .replace(&format!("\"entries\":{}}}", entries.len()), &format!("\"entries\":{}}}", entries.len() - 1));
        let bytes = [before, rest.collect::<String>().into_bytes(), end.into_bytes()].concat();
        cases.push(case(format!("without entry {one}, numbered anew"), bytes));
    }
    sealed.accepts_none(&cases);
}

#[test]
fn a_record_that_a_stranger_sealed_again_is_found_and_one_by_its_own_key_against_a_head_held_elsewhere() {
    let Some(python) = python() else { return };
    let sealed = Sealed::new();
    let (original, forged) = (sealed.place.beside("original", &sealed.bytes), sealed.place.outside().join("forged"));
    let text = String::from_utf8(sealed.bytes.clone()).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_done = |line: &Value| line["entry"]["body"].as_str().is_some_and(|body| body.contains("\"result\":\"ok\""));
    let altered = lines.find(is_done).unwrap()["entry"]["at"].as_u64().unwrap();
    let mut command = Command::new(python);
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(repository().join("tests/verifier/forge.py"))
        .args([&original, &forged]);
    let output = command.args([&altered.to_string(), "\"result\":\"ok\"", "\"result\":\"OK\""]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let forger = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let forged = case("sealed again", fs::read(forged).unwrap());
    // For the key that it was sealed with it is nothing that can be believed.
    assert_eq!(sealed.judge(std::slice::from_ref(&forged), &[])[0].0, 4);
    // Whoever trusts the forger cannot know, and a head kept elsewhere can.
    let held = ["--key", &sealed.key, "--since", sealed.head.to_str().unwrap()].map(str::to_owned);
    let held: Vec<&str> = held.iter().map(String::as_str).collect();
    let by_forger = Sealed { key: forger, ..sealed };
    assert_eq!(by_forger.judge(std::slice::from_ref(&forged), &[]), [(0, None)]);
    // Two heads over all of it contradict each other, and neither says which entry it is.
    assert_eq!(by_forger.judge(&[forged], &held), [(4, None)]);
}

#[test]
fn lines_of_later_versions_are_told_and_other_versions_are_refused() {
    let sealed = Sealed::new();
    let lines = sealed.lines();
    let end = String::from_utf8(lines[lines.len() - 1].to_vec()).unwrap();
    let more = end.replace(&format!("\"lines\":{}", lines.len() - 1), &format!("\"lines\":{}", lines.len()));
    let mut later = lines.clone();
    later.insert(3, b"{\"blob\":{\"anything\":[1,2]}}\n");
    *later.last_mut().unwrap() = more.as_bytes();
    let later = case("with a line of an unknown kind", later.concat());
    let text = String::from_utf8(sealed.bytes.clone()).unwrap();
    let other = case("of version 2", text.replacen("\"version\":1", "\"version\":2", 1));
    let cases = [later, other, case("empty", ""), case("another file", "hello\n"), case("JSON", "{}\n")];
    assert_eq!(sealed.judge(&cases, &[]), [(0, None), (2, None), (2, None), (2, None), (2, None)]);
    let verify = |file: &str, bytes: &[u8]| {
        let file = sealed.place.beside(file, bytes);
        sealed.place.longhaul([OsStr::new("audit"), "verify".as_ref(), "--bundle".as_ref(), file.as_os_str()])
    };
    verify("later", &cases[0].1).code(0).shows(&["line 4 of the bundle is a `blob`"]);
    verify("other", &cases[1].1).code(2).says(&["a bundle of version 2", "version 1"]);
    verify("hello", &cases[3].1).code(2).says(&["does not begin with the header of a bundle"]);
    sealed.place.longhaul(["audit", "verify", "--bundle", "/dev/null"]).code(2).says(&["is not a file"]);
}

#[test]
fn a_record_that_is_still_being_written_can_be_exported_and_verified() {
    let place = Place::with(&[("a.txt", "old")]);
    let text =
        WORK.replace("tasks: {", "tasks: { wait: { agent: sleeper, needs: change, with: { mode: sleep } },").replace(
            "agents: {",
            &format!("agents: {{ sleeper: {{ plugin: {:?}, limits: {{ call_time: 20m }} }},", guest("hostile")),
        );
    let workflow = place.workflow(&text);
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
    life.until("wait: sleeper begins");
    let sealed = Sealed::of(place);
    assert_eq!(sealed.judge(&[case("under way", &*sealed.bytes)], &[]), [(0, None)]);
    life.kill();
    let sealed = Sealed::of(sealed.place);
    assert_eq!(sealed.judge(&[case("killed", &*sealed.bytes)], &[]), [(0, None)]);
}

#[test]
fn the_example_of_the_documentation_is_what_it_says() {
    let text = fs::read_to_string(repository().join("docs/verification.md")).unwrap();
    let block = |begin: &str| {
        let at = text.find(&format!("```text\n{begin}")).unwrap() + "```text\n".len();
        text[at..].split_once("```").unwrap().0.to_owned()
    };
    let key = block("longhaul/example+").trim().to_owned();
    let place = Place::new();
    let head = place.beside("head", "");
    let bytes = block("{\"format\":").into_bytes();
    let sealed = Sealed { place, key, head, bytes };
    assert_eq!(sealed.judge(&[case("the example", &*sealed.bytes)], &[]), [(0, None)]);
    let altered = String::from_utf8(sealed.bytes.clone()).unwrap().replacen(r#"{\"at\":1}"#, r#"{\"at\":2}"#, 1);
    assert_eq!(sealed.judge(&[case("altered", altered)], &[]), [(4, Some(0))]);
}
