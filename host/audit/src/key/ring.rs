//! The ring of keys: which key may sign which heads of a record.
//!
//! A rotation is an entry of the record. The head right after it is signed by both keys: the one that goes thereby says who comes, and the
//! one that comes proves that it is there. So who trusts the first key can trust the last one, and a rotation that somebody made up, who
//! has only the new key, shows.
//!
//! ```text
//! entries    0 1 2 3 4 R 6 7 8        R = entry 5, the rotation
//! old key    heads of up to 6 entries
//! new key    heads of 6 entries and more
//! ```

use crate::note::{KeyId, KeyName, VerifierKey};
use crate::tree::TreeSize;
use longhaul_core::entry::Position;

/// The keys that signed a record's heads one after the other. Positions are those of this one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRing {
    first: VerifierKey,
    later: Vec<(Position, VerifierKey)>,
}

/// From the entry at a position on another key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation<'a> {
    /// The entry that says so.
    pub at: Position,
    /// The key that held until then.
    pub from: &'a VerifierKey,
    /// The key that holds from then on.
    pub to: &'a VerifierKey,
}

impl Rotation<'_> {
    /// The size of the head that both keys have to sign: the first one over the rotation itself.
    pub fn sealed_by(&self) -> Option<TreeSize> {
        self.at.0.checked_add(1).and_then(|size| TreeSize::new(size).ok())
    }
}

/// Whether a key may sign a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Holds,
    /// It holds from a later entry on: whoever signed with it did so afterwards.
    NotYet {
        /// That entry.
        from: Position,
    },
    /// It was retired by an earlier entry.
    Retired {
        /// That entry.
        at: Position,
    },
    /// It is not in the ring.
    Unknown,
}

/// A key cannot follow on the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The rotation is not after the one before.
    #[error("entry {} cannot rotate the key: rotations come one after the other, and the one before is at entry {}", .at.0, .last.0)]
    Order {
        /// Where it should be.
        at: Position,
        /// The one before, or the beginning.
        last: Position,
    },
    /// A key of that name and id is there already: a retired key does not come back.
    #[error("the key {name} ({id}) is in the ring already, and a retired key does not come back; rotate to a new one")]
    Twice {
        /// Its name.
        name: KeyName,
        /// Its id.
        id: KeyId,
    },
}

impl KeyRing {
    /// The ring of a record whose heads are signed by `first` from the beginning.
    pub fn new(first: VerifierKey) -> Self {
        Self { first, later: Vec::new() }
    }

    /// Lets `key` hold from the entry at `at` on, and retires the one before.
    ///
    /// # Errors
    /// [`RingError`] where `at` is not after the last rotation, or the key is in the ring already.
    pub fn rotate(&mut self, at: Position, key: VerifierKey) -> Result<(), RingError> {
        let last = self.later.last().map_or(Position(0), |(last, _)| *last);
        if at <= last {
            return Err(RingError::Order { at, last });
        }
        if self.keys().any(|known| known.name() == key.name() && known.id() == key.id()) {
            return Err(RingError::Twice { name: key.name().clone(), id: key.id() });
        }
        self.later.push((at, key));
        Ok(())
    }

    /// The key that signs the next head.
    pub fn current(&self) -> &VerifierKey {
        self.later.last().map_or(&self.first, |(_, key)| key)
    }

    /// All keys, the oldest first.
    pub fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        std::iter::once(&self.first).chain(self.later.iter().map(|(_, key)| key))
    }

    /// All rotations, the oldest first.
    pub fn rotations(&self) -> impl Iterator<Item = Rotation<'_>> {
        self.keys().zip(&self.later).map(|(from, (at, to))| Rotation { at: *at, from, to })
    }

    /// Whether `key` may sign the head of this many entries.
    pub fn standing(&self, key: &VerifierKey, size: TreeSize) -> Standing {
        let Some(place) = self.keys().position(|known| known == key) else { return Standing::Unknown };
        let start = place.checked_sub(1).and_then(|before| self.later.get(before)).map(|(at, _)| *at);
        let end = self.later.get(place).map(|(at, _)| *at);
        match (start, end) {
            (Some(from), _) if size.get() <= from.0 => Standing::NotYet { from },
            (_, Some(at)) if size.get() > at.0.saturating_add(1) => Standing::Retired { at },
            _ => Standing::Holds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::SignerKey;

    fn key(seed: u8) -> VerifierKey {
        SignerKey::from_seed(KeyName::new("example.org/longhaul").unwrap(), &[seed; 32]).verifier().clone()
    }

    #[test]
    fn each_key_holds_in_its_time() {
        let mut ring = KeyRing::new(key(1));
        ring.rotate(Position(5), key(2)).unwrap();
        ring.rotate(Position(6), key(3)).unwrap();
        let standing = |seed, size| ring.standing(&key(seed), TreeSize::new(size).unwrap());
        let retired = |at| Standing::Retired { at: Position(at) };
        let not_yet = |from| Standing::NotYet { from: Position(from) };
        assert_eq!([0, 1, 5, 6].map(|size| standing(1, size)), [Standing::Holds; 4]);
        assert_eq!([7, 8, 1 << 62].map(|size| standing(1, size)), [retired(5); 3]);
        assert_eq!([0, 5].map(|size| standing(2, size)), [not_yet(5); 2]);
        assert_eq!([6, 7].map(|size| standing(2, size)), [Standing::Holds; 2]);
        assert_eq!(standing(2, 8), retired(6));
        assert_eq!([0, 6].map(|size| standing(3, size)), [not_yet(6); 2]);
        assert_eq!([7, 1 << 62].map(|size| standing(3, size)), [Standing::Holds; 2]);
        assert_eq!(standing(4, 6), Standing::Unknown);
        assert_eq!(ring.current(), &key(3));
        let rotations: Vec<_> = ring.rotations().map(|it| (it.at.0, it.sealed_by().unwrap().get())).collect();
        assert_eq!(rotations, [(5, 6), (6, 7)]);
    }

    #[test]
    fn a_key_follows_on_the_others_or_not_at_all() {
        let mut ring = KeyRing::new(key(1));
        assert_eq!(ring.rotate(Position(0), key(2)), Err(RingError::Order { at: Position(0), last: Position(0) }));
        ring.rotate(Position(5), key(2)).unwrap();
        assert_eq!(ring.rotate(Position(5), key(3)), Err(RingError::Order { at: Position(5), last: Position(5) }));
        assert!(matches!(ring.rotate(Position(9), key(1)), Err(RingError::Twice { .. })));
        assert_eq!(ring.keys().count(), 2);
    }
}
