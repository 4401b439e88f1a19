//! How a folder is stored: a canonical encoding whose digest names the folder.
//!
//! ```text
//! "longhaul folder 1\n"
//! for each entry, in ascending order of the bytes of its name:
//!     kind   one byte: `d` folder, `f` file, `x` executable file, `l` symbolic link
//!     name   length (u16) and bytes
//!     d      digest of the folder's object (32 bytes)
//!     f, x   size (u64), digest of the content (32 bytes)
//!     l      target: length (u16) and bytes
//! ```
//!
//! Numbers are big-endian. There is exactly one encoding of a folder, and the decoder refuses everything else: an object
//! may have been written by a broken disk or by hand.

use crate::tree::{Entries, Entry, FileEntry};
use longhaul_core::digest::Digest;
use longhaul_core::path::is_component;

const HEADER: &[u8] = b"longhaul folder 1\n";

/// A sub-folder is named by its digest until somebody loads it.
pub(crate) enum Stored {
    Folder(Digest),
    Leaf(Entry),
}

/// The canonical encoding of a folder with these entries.
pub(crate) fn encode(entries: &Entries) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER.len() + entries.len() * 64);
    out.extend_from_slice(HEADER);
    for (name, entry) in entries {
        out.push(match entry {
            Entry::Folder(_) => b'd',
            Entry::File(file) if file.executable => b'x',
            Entry::File(_) => b'f',
            Entry::Symlink(_) => b'l',
        });
        text(&mut out, name);
        match entry {
            Entry::Folder(folder) => out.extend_from_slice(folder.digest().as_bytes()),
            Entry::File(file) => {
                out.extend_from_slice(&file.size.to_be_bytes());
                out.extend_from_slice(file.digest.as_bytes());
            }
            Entry::Symlink(target) => text(&mut out, target),
        }
    }
    out
}

/// Names have at most 255 bytes and targets at most 4096 wherever an entry is made, so that the length always fits.
fn text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
}

/// Reads an encoded folder; says what is wrong where it is not canonical.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<(Box<str>, Stored)>, &'static str> {
    let mut rest = bytes.strip_prefix(HEADER).ok_or("it is no folder of a version that this program knows")?;
    let mut entries: Vec<(Box<str>, Stored)> = Vec::new();
    while let Some((kind, tail)) = rest.split_first() {
        rest = tail;
        let name = take_text(&mut rest)?;
        if !is_component(name) {
            return Err("a name in it is not a plain file name");
        }
        if entries.last().is_some_and(|(last, _)| &**last >= name) {
            return Err("its names are not in order");
        }
        let stored = match kind {
            b'd' => Stored::Folder(take_digest(&mut rest)?),
            b'f' | b'x' => {
                let size = u64::from_be_bytes(*take(&mut rest)?);
                Stored::Leaf(Entry::File(FileEntry {
                    digest: take_digest(&mut rest)?,
                    size,
                    executable: *kind == b'x',
                }))
            }
            b'l' => Stored::Leaf(Entry::Symlink(take_text(&mut rest)?.into())),
            _ => return Err("an entry has an unknown kind"),
        };
        entries.push((name.into(), stored));
    }
    Ok(entries)
}

const CUT: &str = "it ends in the middle of an entry";

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], &'static str> {
    let (head, tail) = rest.split_first_chunk().ok_or(CUT)?;
    *rest = tail;
    Ok(head)
}

fn take_digest(rest: &mut &[u8]) -> Result<Digest, &'static str> {
    Ok(Digest::from_bytes(*take(rest)?))
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, &'static str> {
    let length = usize::from(u16::from_be_bytes(*take(rest)?));
    let (head, tail) = rest.split_at_checked(length).ok_or(CUT)?;
    *rest = tail;
    std::str::from_utf8(head).map_err(|_| "a text in it is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Folder;

    fn sample() -> Entries {
        let file = |text: &[u8], executable| {
            Entry::File(FileEntry { digest: Digest::of(text), size: text.len() as u64, executable })
        };
        Entries::from([
            ("a".into(), file(b"one", false)),
            ("b".into(), file(b"two", true)),
            ("c".into(), Entry::Symlink("../x".into())),
            ("d".into(), Entry::Folder(Folder::new(Entries::new()))),
        ])
    }

    #[test]
    fn the_digest_of_a_folder_never_changes() {
        assert_eq!(Folder::new(Entries::new()).digest().to_string(), Digest::of(b"longhaul folder 1\n").to_string());
        assert_eq!(
            Folder::new(sample()).digest().to_string(),
            "e8b8b637ea34c82a237731a757a3ba4ffadbf8eddc768152f9cd6ae9f1e3a60c"
        );
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let decoded = decode(&encode(&sample())).unwrap();
        assert_eq!(decoded.len(), 4);
        for ((name, stored), (expected, entry)) in decoded.iter().zip(&sample()) {
            assert_eq!(name, expected);
            match (stored, entry) {
                (Stored::Folder(digest), Entry::Folder(folder)) => assert_eq!(*digest, folder.digest()),
                (Stored::Leaf(leaf), entry) => assert_eq!(leaf, entry),
                _ => panic!("{name} became something else"),
            }
        }
    }

    #[test]
    fn only_the_canonical_encoding_is_read() {
        let good = encode(&sample());
        for cut in HEADER.len() + 1..good.len() {
            // A cut between two entries leaves a shorter folder, which its digest tells apart; all others are refused.
            if let Ok(entries) = decode(&good[..cut]) {
                assert!(entries.len() < 4);
            }
        }
        let entry =
            |name: &str| [b"l", &(name.len() as u16).to_be_bytes()[..], name.as_bytes(), &[0, 1, b't']].concat();
        let folder = |names: &[&str]| [HEADER.to_vec(), names.iter().flat_map(|n| entry(n)).collect()].concat();
        assert!(decode(&folder(&["a", "b"])).is_ok());
        for bad in [&["b", "a"][..], &["a", "a"], &[".."], &["a/b"], &[""]] {
            assert!(decode(&folder(bad)).is_err(), "{bad:?}");
        }
        assert!(decode(b"longhaul folder 2\n").is_err());
        assert!(decode(b"").is_err());
    }
}
