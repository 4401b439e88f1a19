//! Git's index: the files that the repository knows, as its format (`gitformat-index`, versions 2 to 4) has them.

/// A file that the repository knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Where it lies.
    pub(super) path: String,
    /// What it is: the upper bits of its mode.
    pub(super) kind: Kind,
    /// Bytes of content, as git last saw it; 0 also where git does not trust what it saw.
    pub(super) size: u32,
    /// The SHA-1 of its content as git names it.
    pub(super) name: [u8; 20],
}

/// What a known file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Link,
    /// A repository within this one.
    Other,
}

/// The most entries that are read.
const MAX_ENTRIES: u32 = 1_000_000;
/// Bytes of an entry before its path.
const FIXED: usize = 62;

/// Reads an index; the error says in words why it cannot be used.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Known>, String> {
    let cut = || "its index ends in the middle".to_owned();
    let mut rest = bytes.strip_prefix(b"DIRC").ok_or("its index is none")?;
    let version = number(&mut rest).ok_or_else(cut)?;
    let count = number(&mut rest).ok_or_else(cut)?;
    if !(2..=4).contains(&version) || count > MAX_ENTRIES {
        return Err(format!("its index is of version {version} with {count} files, which this host does not read"));
    }
    let mut known: Vec<Known> = Vec::new();
    let mut before: Vec<u8> = Vec::new();
    for _ in 0..count {
        let entry = rest;
        let fixed = rest.get(..FIXED).ok_or_else(cut)?;
        let word = |at: usize| fixed.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes);
        let (mode, size) = (word(24), word(36));
        let mut name = [0; 20];
        name.copy_from_slice(fixed.get(40..60).ok_or_else(cut)?);
        let flags = u16::from_be_bytes([fixed[60], fixed[61]]);
        let is_extended = version >= 3 && flags & 0x4000 != 0;
        rest = rest.get(FIXED + if is_extended { 2 } else { 0 }..).ok_or_else(cut)?;
        if version == 4 {
            let dropped = varint(&mut rest).ok_or_else(cut)?;
            before.truncate(before.len().checked_sub(dropped).ok_or_else(cut)?);
        } else {
            before.clear();
        }
        let end = rest.iter().position(|byte| *byte == 0).ok_or_else(cut)?;
        before.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        if version < 4 {
            // Padded with zeroes to a multiple of eight; one of them is read already.
            let read = entry.len() - rest.len();
            rest = rest.get(read.next_multiple_of(8) - read..).ok_or_else(cut)?;
        }
        let kind = match mode >> 12 {
            0o10 => Kind::File,
            0o12 => Kind::Link,
            0o04 => return Err("its index is sparse".to_owned()),
            _ => Kind::Other,
        };
        // Of a file in conflict there are several stages, and none of them is the one that is known.
        if flags & 0x3000 == 0 {
            let path = String::from_utf8_lossy(&before).into_owned();
            known.push(Known { path, kind, size, name });
        }
    }
    // Behind the files come extensions, then the digest of all.
    while rest.len() > 20 {
        let mut after = rest.get(4..).ok_or_else(cut)?;
        if rest.starts_with(b"link") {
            return Err("its index is split in two".to_owned());
        }
        let size = number(&mut after).ok_or_else(cut)? as usize;
        rest = after.get(size..).ok_or_else(cut)?;
    }
    Ok(known)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u32::from_be_bytes(*head))
}

/// A number in the form of git's pack offsets.
fn varint(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    loop {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(value);
        }
        value = value.checked_add(1)?.checked_mul(128)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, mode: u32, flags: u16, version: u32) -> Vec<u8> {
        let mut bytes = vec![0; 24];
        bytes.extend_from_slice(&mode.to_be_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&7_u32.to_be_bytes());
        bytes.extend_from_slice(&[9; 20]);
        bytes.extend_from_slice(&flags.to_be_bytes());
        if version == 4 {
            bytes.push(0);
        }
        bytes.extend_from_slice(path.as_bytes());
        bytes.push(0);
        while version < 4 && !bytes.len().is_multiple_of(8) {
            bytes.push(0);
        }
        bytes
    }

    fn index(version: u32, entries: &[Vec<u8>], extensions: &[u8]) -> Vec<u8> {
        let mut bytes = [b"DIRC".as_slice(), &version.to_be_bytes(), &(entries.len() as u32).to_be_bytes()].concat();
        entries.iter().for_each(|entry| bytes.extend_from_slice(entry));
        [bytes.as_slice(), extensions, &[0; 20]].concat()
    }

    #[test]
    fn files_links_and_repositories_are_told_apart_in_every_version() {
        let entries = |version| {
            [("a", 0o100_644), ("some/file.rs", 0o100_755), ("z", 0o120_000), ("sub", 0o160_000)]
                .map(|(path, mode)| entry(path, mode, 0, version))
        };
        for version in [2, 3] {
            let known = parse(&index(version, &entries(version), b"TREE\0\0\0\x02xx")).unwrap();
            let seen: Vec<_> = known.iter().map(|known| (known.path.as_str(), known.kind, known.size)).collect();
            assert_eq!(
                seen,
                [("a", Kind::File, 7), ("some/file.rs", Kind::File, 7), ("z", Kind::Link, 7), ("sub", Kind::Other, 7)]
            );
        }
        // In version 4 a path begins with what it has in common with the one before.
        let known = parse(&index(4, &entries(4)[..2], b"")).unwrap();
        assert_eq!(known[1].path, "asome/file.rs");
    }

    #[test]
    fn what_is_broken_or_not_whole_is_refused_in_words() {
        let whole = index(2, &[entry("a", 0o100_644, 0, 2)], b"");
        for cut in 0..whole.len() - 20 {
            assert!(parse(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(parse(&index(5, &[], b"")).unwrap_err().contains("version 5"));
        assert!(parse(&index(2, &[], b"link\0\0\0\0")).unwrap_err().contains("split"));
        assert!(parse(&index(3, &[entry("d/", 0o040_000, 0, 3)], b"")).unwrap_err().contains("sparse"));
        assert_eq!(parse(&index(2, &[entry("a", 0o100_644, 0x1000, 2)], b"")).unwrap(), []);
    }
}
