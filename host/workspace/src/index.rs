//! What the last import saw: which content each file of the user's folder had, and how to tell that it still has it.
//!
//! A file whose size, inode and times are as remembered is not read again. Times have a granularity, so a file may change
//! right after it was read without its times showing it; therefore a file that was changed too shortly before the import
//! began is not remembered at all, and is read again the next time (git calls such files *racily clean*).
//!
//! The index lies in the folder of the objects that it speaks of, so that they can be lost only together. It is a cache: one
//! that cannot be read is as good as none.

use cap_std::fs::{Dir, Metadata};
use longhaul_core::digest::Digest;
use std::collections::HashMap;
use std::io::{self, Write};

const NAME: &str = "index";
const HEADER: &[u8] = b"longhaul index 1\n";
/// A change this shortly before an import may hide another one after it: several ticks of the coarsest usual clock.
const GRANULARITY: i64 = 20_000_000;

/// How a file looked from outside. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    modified: i64,
    changed: i64,
    inode: u64,
}

impl Stamp {
    #[cfg(unix)]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        use cap_std::fs::MetadataExt;
        let nanos = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            size: metadata.len(),
            modified: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanos(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether it had settled when something with stamp `now` was made.
    pub(crate) fn is_settled(&self, now: &Stamp) -> bool {
        self.modified.max(self.changed) < now.modified.saturating_sub(GRANULARITY)
    }
}

/// The files of one import, by path.
#[derive(Debug, Default)]
pub(crate) struct Index {
    files: HashMap<Box<str>, (Stamp, Digest)>,
}

impl Index {
    /// The content of the file at `path`, where it looks as it did.
    pub(crate) fn content(&self, path: &str, stamp: &Stamp) -> Option<Digest> {
        self.files.get(path).filter(|(known, _)| known == stamp).map(|(_, digest)| *digest)
    }

    /// Remembers a file that was read during an import which began at `now`.
    pub(crate) fn remember(&mut self, path: &str, stamp: Stamp, digest: Digest, now: &Stamp) {
        if stamp.is_settled(now) {
            self.files.insert(path.into(), (stamp, digest));
        }
    }

    /// Whether it remembers the same as `other`.
    pub(crate) fn same(&self, other: &Index) -> bool {
        self.files == other.files
    }

    /// Reads the index from the folder of objects; an empty one where it cannot be used.
    pub(crate) fn load(objects: &Dir) -> Self {
        objects.read(NAME).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default()
    }

    /// Puts the index in the place of the last one.
    pub(crate) fn save(&self, objects: &Dir) -> io::Result<()> {
        let fresh = "index.new";
        match objects.remove_file(fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        objects.open_with(fresh, &crate::disk::private_file())?.write_all(&self.encode())?;
        objects.rename(fresh, objects, NAME)
    }

    /// Header, for each file `path length (u16), path, size, modified, changed, inode (8 bytes each), digest (32)`, and the
    /// digest of all that: a torn file is recognised. Numbers are big-endian.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER.len() + self.files.len() * 112 + 32);
        out.extend_from_slice(HEADER);
        for (path, (stamp, digest)) in &self.files {
            let Ok(length) = u16::try_from(path.len()) else { continue };
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(path.as_bytes());
            out.extend_from_slice(&stamp.size.to_be_bytes());
            out.extend_from_slice(&stamp.modified.to_be_bytes());
            out.extend_from_slice(&stamp.changed.to_be_bytes());
            out.extend_from_slice(&stamp.inode.to_be_bytes());
            out.extend_from_slice(digest.as_bytes());
        }
        let seal = Digest::of(&out);
        out.extend_from_slice(seal.as_bytes());
        out
    }
}

fn decode(bytes: &[u8]) -> Option<Index> {
    let (bytes, seal) = bytes.split_last_chunk::<32>()?;
    if Digest::of(bytes).as_bytes() != seal {
        return None;
    }
    let mut rest = bytes.strip_prefix(HEADER)?;
    let mut files = HashMap::with_capacity(rest.len() / 112);
    while !rest.is_empty() {
        let length = u16::from_be_bytes(*take(&mut rest)?);
        let (path, tail) = rest.split_at_checked(usize::from(length))?;
        rest = tail;
        let stamp = Stamp {
            size: u64::from_be_bytes(*take(&mut rest)?),
            modified: i64::from_be_bytes(*take(&mut rest)?),
            changed: i64::from_be_bytes(*take(&mut rest)?),
            inode: u64::from_be_bytes(*take(&mut rest)?),
        };
        files.insert(std::str::from_utf8(path).ok()?.into(), (stamp, Digest::from_bytes(*take(&mut rest)?)));
    }
    Some(Index { files })
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(modified: i64) -> Stamp {
        Stamp { size: 3, modified, changed: modified, inode: 9 }
    }

    #[test]
    fn what_changed_too_lately_is_not_trusted() {
        let now = stamp(1_000_000_000);
        let mut index = Index::default();
        index.remember("old", stamp(900_000_000), Digest::of(b"old"), &now);
        index.remember("fresh", stamp(999_000_000), Digest::of(b"fresh"), &now);
        assert_eq!(index.content("old", &stamp(900_000_000)), Some(Digest::of(b"old")));
        assert_eq!(index.content("old", &stamp(900_000_001)), None);
        assert_eq!(index.content("fresh", &stamp(999_000_000)), None);
    }

    #[test]
    fn a_torn_index_is_as_good_as_none() {
        let mut index = Index::default();
        index.remember("a/b", stamp(1), Digest::of(b"x"), &stamp(1_000_000_000));
        let bytes = index.encode();
        assert!(decode(&bytes).unwrap().same(&index));
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_none());
        }
    }
}
