//! Every flipped bit, every cut, every exchange, every dropped and added entry: nothing passes unseen.

use super::*;

/// The first and last entry that a head proves together with this one.
fn sealed_with(at: u64) -> (u64, u64) {
    [(0, 2), (3, 5), (6, 7), (8, 9)].into_iter().find(|(_, last)| at <= *last).unwrap()
}

#[test]
fn each_flipped_bit_of_an_entry_is_found_and_placed() {
    for (stored, original) in [(true, case()), (false, case().without_leaves())] {
        for at in 0..original.entries.len() {
            for bit in 0..original.entries[at].bytes.len() * 8 {
                let mut case = original.clone();
                case.entries[at].bytes[bit / 8] ^= 1 << (bit % 8);
                let finding = one(case.findings());
                let (from, to) = sealed_with(at as u64);
                let placed = match &finding {
                    Finding::EntryAltered { at: found, .. } => stored && found.0 == at as u64,
                    Finding::RangeAltered { from: first, to: last, .. } => !stored && (first.0, last.0) == (from, to),
                    _ => false,
                };
                assert!(placed, "bit {bit} of entry {at}: {finding}");
            }
        }
    }
}

#[test]
fn each_flipped_bit_of_a_stored_hash_is_found() {
    let original = case();
    for at in 0..original.entries.len() {
        for bit in 0..256 {
            let mut case = original.clone();
            let mut bytes = *LeafHash::of(&case.entries[at].bytes).0.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            case.entries[at].leaf = Some(LeafHash(Digest::from_bytes(bytes)));
            let finding = one(case.findings());
            assert!(matches!(&finding, Finding::LeafAltered { at: found, .. } if found.0 == at as u64), "{finding}");
        }
    }
}

#[test]
fn an_entry_altered_together_with_its_stored_hash_is_found() {
    for at in 0..10 {
        let mut case = case();
        case.entries[at].bytes.push(b' ');
        case.entries[at].leaf = Some(LeafHash::of(&case.entries[at].bytes));
        let finding = one(case.findings());
        let (from, to) = sealed_with(at as u64);
        assert!(
            matches!(&finding, Finding::RangeAltered { from: first, to: last, .. } if (first.0, last.0) == (from, to)),
            "{finding}"
        );
    }
}

#[test]
fn each_altered_length_of_an_entry_is_found() {
    for original in both() {
        for at in 0..original.entries.len() {
            for length in 0..original.entries[at].bytes.len() {
                let mut case = original.clone();
                case.entries[at].bytes.truncate(length);
                assert_eq!(case.findings().len(), 1, "{length} bytes of entry {at}");
            }
        }
    }
}

#[test]
fn each_flipped_bit_of_a_head_is_found() {
    let original = case();
    for at in 0..original.heads.len() {
        for bit in 0..original.heads[at].note.len() * 8 {
            let mut case = original.clone();
            case.heads[at].note[bit / 8] ^= 1 << (bit % 8);
            let findings = case.findings();
            let seen =
                |finding: &Finding| matches!(finding, Finding::HeadRefused { .. } | Finding::RotationNotSealed { .. });
            assert!(findings.iter().any(seen), "bit {bit} of head {at}: {findings:?}");
        }
        for length in 0..original.heads[at].note.len() {
            let mut case = original.clone();
            case.heads[at].note.truncate(length);
            assert!(!case.findings().is_empty(), "{length} bytes of head {at}");
        }
        for bit in 0..64 {
            let mut case = original.clone();
            let moved = case.heads[at].at.get() ^ 1 << bit;
            let Ok(moved) = TreeSize::new(moved) else { continue };
            case.heads[at].at = moved;
            assert!(!case.findings().is_empty(), "head {at} moved to {moved}");
        }
    }
}

#[test]
fn each_cut_is_found() {
    for original in both() {
        for length in 0..original.entries.len() {
            let cut = |heads: bool| {
                let mut case = original.clone();
                case.entries.truncate(length);
                case.heads.retain(|head| !heads || head.at.get() <= length as u64);
                case
            };
            let findings = cut(false).findings();
            let truncated = |by| Finding::Truncated { expected: size(10), found: size(length as u64), by };
            assert!(findings.contains(&truncated(Witness::Signed)), "{length}: {findings:?}");
            // Whoever takes the heads away as well is found by anybody who holds the last one.
            let mut case = cut(true);
            let alone = case.findings();
            case.held = vec![head_of(&original.entries)];
            assert!(case.findings().contains(&truncated(Witness::Held)), "{length}: {:?}", case.findings());
            // Otherwise only a cut exactly at a head remains, and not before a rotation that is known.
            assert_eq!(alone.is_empty(), length == 6 || length == 8, "{length}: {alone:?}");
        }
    }
}

#[test]
fn each_exchange_of_two_entries_is_found() {
    for original in both() {
        for one in 0..original.entries.len() {
            for other in 0..one {
                let mut moved = original.clone();
                moved.entries.swap(one, other);
                assert!(!moved.findings().is_empty(), "{one} and {other}, with their numbers");
                let mut renumbered = moved.clone();
                renumbered.renumber();
                assert!(!renumbered.findings().is_empty(), "{one} and {other}");
            }
        }
        for one in 0..original.heads.len() {
            for other in 0..one {
                let mut moved = original.clone();
                moved.heads.swap(one, other);
                assert!(!moved.findings().is_empty(), "heads {one} and {other}");
                let places = original.heads.iter().map(|head| head.at);
                moved.heads.iter_mut().zip(places).for_each(|(head, at)| head.at = at);
                assert!(!moved.findings().is_empty(), "heads {one} and {other}, each in the other's place");
            }
        }
    }
}

#[test]
fn each_dropped_and_each_added_entry_is_found() {
    for original in both() {
        for at in 0..original.entries.len() {
            let mut dropped = original.clone();
            dropped.entries.remove(at);
            let findings = dropped.findings();
            let (expected, last) = (Position(at as u64), at == original.entries.len() - 1);
            let missing = Finding::EntryMissing { expected, found: Position(at as u64 + 1) };
            assert_eq!(findings.contains(&missing), !last, "{at}: {findings:?}");
            assert!(!findings.is_empty(), "{at}");
            dropped.renumber();
            assert!(!dropped.findings().is_empty(), "{at} dropped, the rest renumbered");
            let mut doubled = original.clone();
            doubled.entries.insert(at, original.entries[at].clone());
            let finding = Finding::EntryOutOfOrder { expected: Position(at as u64 + 1), found: expected };
            assert!(doubled.findings().contains(&finding), "{at}: {:?}", doubled.findings());
            doubled.renumber();
            assert!(!doubled.findings().is_empty(), "{at} doubled, the rest renumbered");
        }
    }
}

#[test]
fn several_altered_entries_are_each_named_and_the_rest_stays_provable() {
    let mut case = case();
    for at in [0, 1, 7] {
        case.entries[at].bytes[0] ^= 1;
    }
    let report = case.verify();
    let places: Vec<_> = report
        .findings
        .iter()
        .map(|it| (it.position().unwrap().0, matches!(it, Finding::EntryAltered { .. })))
        .collect();
    assert_eq!(places, [(0, true), (1, true), (7, true)]);
    assert_eq!(report.proven.size(), size(10));
    let text = report.findings[2].to_string();
    assert!(
        text.starts_with("entry 7 was altered: its hash is ") && text.contains("the signed head of 8 entries"),
        "{text}"
    );
}

#[test]
fn a_report_is_bounded() {
    let mut case = case();
    let stray = |_| StoredEntry { at: Position(0), bytes: b"again".to_vec(), leaf: None };
    case.entries.extend((0..1_000).map(stray));
    let report = case.verify();
    assert_eq!((report.findings.len(), report.further), (MAX_FINDINGS, 1_000 - MAX_FINDINGS as u64));
    case.entries.truncate(10);
    case.entries.push(StoredEntry { at: Position(u64::MAX), bytes: Vec::new(), leaf: None });
    case.entries.push(StoredEntry { at: Position(u64::MAX), bytes: Vec::new(), leaf: None });
    assert!(!case.findings().is_empty());
}
