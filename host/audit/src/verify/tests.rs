//! A small record, and what its heads and keys make of it. How it is damaged in every way there is: `damage`.

mod damage;

use super::*;
use crate::key::KeyRing;
use crate::note::{Checkpoint, KeyName, SignerKey};
use crate::tree::RootHash;
use longhaul_core::digest::Digest;
use std::convert::Infallible;

const ROTATION: u64 = 5;

#[derive(Clone)]
struct Case {
    origin: Origin,
    ring: KeyRing,
    entries: Vec<StoredEntry<Vec<u8>>>,
    heads: Vec<StoredHead<Vec<u8>>>,
    held: Vec<TreeHead>,
    ending: Ending,
    since: Frontier,
}

fn key(seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new("example.org/longhaul").unwrap(), &[seed; 32])
}

fn size(entries: u64) -> TreeSize {
    TreeSize::new(entries).unwrap()
}

fn head_of(entries: &[StoredEntry<Vec<u8>>]) -> TreeHead {
    let mut frontier = Frontier::new();
    for entry in entries {
        frontier.append(&entry.bytes);
    }
    frontier.head()
}

/// Ten entries, the sixth of which rotates the key, and four heads.
fn case() -> Case {
    let entry = |at: u64| {
        let bytes = format!("{{\"n\":{at},\"x\":\"{}\"}}", "é".repeat(at as usize % 3)).into_bytes();
        StoredEntry { at: Position(at), leaf: Some(LeafHash::of(&bytes)), bytes }
    };
    let mut ring = KeyRing::new(key(1).verifier().clone());
    ring.rotate(Position(ROTATION), key(2).verifier().clone()).unwrap();
    let origin = Origin::new("example.org/longhaul/run").unwrap();
    let entries = (0..10).map(entry).collect();
    let mut case = Case {
        origin,
        ring,
        entries,
        heads: Vec::new(),
        held: Vec::new(),
        ending: Ending::Sealed,
        since: Frontier::new(),
    };
    case.heads = vec![case.seal(3, &[1]), case.seal(6, &[1, 2]), case.seal(8, &[2]), case.seal(10, &[2])];
    case
}

impl Case {
    /// A head over the first entries as they are now.
    fn seal(&self, over: usize, keys: &[u8]) -> StoredHead<Vec<u8>> {
        self.sign(head_of(&self.entries[..over]), keys)
    }

    fn sign(&self, head: TreeHead, keys: &[u8]) -> StoredHead<Vec<u8>> {
        let keys: Vec<SignerKey> = keys.iter().map(|seed| key(*seed)).collect();
        let note = Checkpoint::new(self.origin.clone(), head).sign(&keys).unwrap();
        StoredHead { at: head.size, note: note.to_string().into_bytes() }
    }

    fn verify(&self) -> Report {
        let Self { origin, ring, held, ending, since, .. } = self;
        let trust = Trust { origin, ring, held, ending: *ending, since: since.clone() };
        let entries = self
            .entries
            .iter()
            .map(|it| Ok::<_, Infallible>(StoredEntry { at: it.at, bytes: &it.bytes, leaf: it.leaf }));
        let heads = self.heads.iter().map(|it| Ok(StoredHead { at: it.at, note: &it.note }));
        verify(&trust, entries, heads).unwrap()
    }

    fn findings(&self) -> Vec<Finding> {
        self.verify().findings
    }

    fn without_leaves(mut self) -> Self {
        self.entries.iter_mut().for_each(|entry| entry.leaf = None);
        self
    }

    /// Numbers the entries as if they had always stood so.
    fn renumber(&mut self) {
        for (at, entry) in self.entries.iter_mut().enumerate() {
            entry.at = Position(at as u64);
        }
    }
}

/// The same record with and without hashes stored beside the entries.
fn both() -> [Case; 2] {
    [case(), case().without_leaves()]
}

#[track_caller]
fn one(findings: Vec<Finding>) -> Finding {
    match <[Finding; 1]>::try_from(findings) {
        Ok([finding]) => finding,
        Err(findings) => panic!("not one finding: {findings:#?}"),
    }
}

#[test]
fn an_undamaged_record_is_proven_to_its_end() {
    for case in both() {
        let report = case.verify();
        assert_eq!((report.findings.as_slice(), report.further), (&[] as &[Finding], 0));
        assert_eq!((report.entries, report.heads, report.proven.head()), (size(10), 4, head_of(&case.entries)));
    }
}

#[test]
fn a_record_sealed_again_by_a_stranger_is_found() {
    let mut case = case();
    case.entries[4].bytes = b"something else".to_vec();
    case.entries[4].leaf = Some(LeafHash::of(b"something else"));
    case.heads = vec![case.seal(3, &[1]), case.seal(6, &[7]), case.seal(8, &[7]), case.seal(10, &[7])];
    let findings = case.findings();
    for at in [6, 8, 10] {
        let refused = |it: &Finding| matches!(it, Finding::HeadRefused { at: found, .. } if found.get() == at);
        assert!(findings.iter().any(refused), "{findings:?}");
    }
}

#[test]
fn a_key_signs_in_its_time_only() {
    // Who has the new key alone seals history again.
    let mut later = case();
    later.entries[1].bytes = b"something else".to_vec();
    later.entries[1].leaf = None;
    later.heads = vec![later.seal(3, &[2]), later.seal(6, &[2]), later.seal(8, &[2]), later.seal(10, &[2])];
    let findings = later.findings();
    let early =
        |it: &Finding| matches!(it, Finding::KeyTooEarly { size, from, .. } if size.get() == 3 && from.0 == ROTATION);
    assert!(findings.iter().any(early), "{findings:?}");
    let unsealed = |it: &Finding| matches!(it, Finding::RotationNotSealed { id, .. } if *id == key(1).verifier().id());
    assert!(findings.iter().any(unsealed), "{findings:?}");
    // Who kept the old one goes on with it.
    let mut retired = case();
    retired.heads[2] = retired.seal(8, &[1]);
    let finding = one(retired.findings());
    assert!(
        matches!(&finding, Finding::KeyRetired { size, at, .. } if size.get() == 8 && at.0 == ROTATION),
        "{finding}"
    );
    // A signature too many is as wrong as one too few.
    retired.heads[2] = retired.seal(8, &[1, 2]);
    assert!(matches!(one(retired.findings()), Finding::KeyRetired { .. }));
}

#[test]
fn a_rotation_counts_when_both_keys_sealed_it() {
    let original = case();
    for (keys, missing) in [(&[1][..], &[2][..]), (&[2], &[1]), (&[], &[1, 2])] {
        let mut case = original.clone();
        case.heads[1] = case.seal(6, keys);
        let mut expected: Vec<_> =
            missing.iter().map(|seed| (Position(ROTATION), key(*seed).verifier().id())).collect();
        for finding in case.findings() {
            match finding {
                Finding::RotationNotSealed { at, id, .. } => {
                    assert_eq!((at, id), expected.remove(0));
                }
                Finding::HeadRefused { .. } => assert!(keys.is_empty()),
                other => panic!("{other}"),
            }
        }
        assert!(expected.is_empty());
    }
    // Each may sign for itself, too.
    let mut apart = original.clone();
    apart.heads[1] = apart.seal(6, &[1]);
    apart.heads.insert(2, apart.seal(6, &[2]));
    assert_eq!(apart.findings(), []);
    // A record that ends with the rotation is complete as soon as that is sealed, and may still be open before.
    let mut ending = original.clone();
    ending.entries.truncate(6);
    ending.heads.truncate(1);
    ending.ending = Ending::Open;
    assert_eq!(ending.findings(), []);
    ending.ending = Ending::Sealed;
    assert_eq!(ending.findings().len(), 3);
    // A record that ends before it was cut off, even where it may end open.
    ending.entries.truncate(4);
    ending.ending = Ending::Open;
    assert_eq!(ending.findings(), [Finding::RotationMissing { at: Position(ROTATION), found: size(4) }]);
}

#[test]
fn heads_that_contradict_each_other_are_found() {
    for at in [3, 6, 10] {
        let mut case = case();
        let keys: &[u8] = if at < 6 { &[1] } else { &[2] };
        let other = case.sign(TreeHead { size: size(at), root: RootHash(Digest::of(b"other")) }, keys);
        let place = case.heads.iter().position(|head| head.at == other.at).unwrap();
        case.heads.insert(place + 1, other.clone());
        let finding = one(case.findings());
        assert!(matches!(finding, Finding::HeadsDisagree { size, .. } if size.get() == at), "{finding}");
        let last = case.heads.remove(place);
        case.heads.insert(place + 1, last);
        assert!(case.findings().iter().any(|it| matches!(it, Finding::HeadsDisagree { .. })));
    }
    // Of heads over more than there is, one cannot say which is right; both cannot be.
    let mut beyond = case();
    beyond.heads.push(beyond.sign(TreeHead { size: size(12), root: RootHash::empty() }, &[2]));
    beyond.heads.push(beyond.sign(TreeHead { size: size(12), root: RootHash(Digest::of(b"other")) }, &[2]));
    let findings = beyond.findings();
    assert!(matches!(findings[..], [Finding::HeadsDisagree { .. }, Finding::Truncated { .. }]), "{findings:?}");
}

#[test]
fn a_head_held_elsewhere_finds_what_the_record_itself_hides() {
    // Whoever has the key can write another history; those who kept a head know better.
    let original = case();
    for held in 1..=10 {
        let mut case = original.clone();
        case.held = vec![head_of(&original.entries), head_of(&original.entries[..held])];
        assert_eq!(case.findings(), [], "{held}");
        case.entries[0].bytes = b"something else".to_vec();
        case.entries[0].leaf = Some(LeafHash::of(b"something else"));
        case.heads = vec![case.seal(3, &[1]), case.seal(6, &[1, 2]), case.seal(8, &[2]), case.seal(10, &[2])];
        let findings = case.findings();
        assert!(!findings.is_empty(), "{held}");
        case.held.clear();
        assert_eq!(case.findings(), [], "nobody else can know");
    }
}

#[test]
fn heads_of_other_records_are_refused() {
    let mut case = case();
    case.origin = Origin::new("example.org/longhaul/other").unwrap();
    let findings = case.findings();
    assert_eq!(findings.iter().filter(|it| matches!(it, Finding::HeadOfOther { .. })).count(), 4, "{findings:?}");
}

#[test]
fn what_is_not_sealed_is_told_and_in_an_open_record_allowed() {
    let mut case = case();
    case.heads.pop();
    assert_eq!(case.findings(), [Finding::Unsealed { from: Position(8), to: Position(9) }]);
    case.ending = Ending::Open;
    let report = case.verify();
    assert!(report.is_intact());
    assert_eq!((report.entries, report.proven.size()), (size(10), size(8)));
}

#[test]
fn verification_goes_on_where_an_earlier_one_ended() {
    let original = case();
    for since in [3, 6, 8, 10] {
        let mut first = original.clone();
        first.entries.truncate(since);
        first.heads.retain(|head| head.at.get() <= since as u64);
        let mut rest = original.clone();
        rest.since = first.verify().proven;
        assert_eq!(rest.since.size(), size(since as u64));
        rest.entries.drain(..since);
        // Heads and rotations before it were looked at then.
        rest.heads.retain(|head| head.at.get() > since as u64);
        rest.held = vec![head_of(&original.entries[..2])];
        let report = rest.verify();
        assert_eq!(
            (report.findings.as_slice(), report.proven.head()),
            (&[] as &[Finding], head_of(&original.entries)),
            "{since}"
        );
        if let Some(entry) = rest.entries.last_mut() {
            entry.bytes[0] ^= 1;
            assert!(matches!(one(rest.findings()), Finding::EntryAltered { at: Position(9), .. }));
        }
    }
}
