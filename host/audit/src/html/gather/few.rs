//! [`Few`]: the first so many different things, how often each came, and how many there were beside.

use std::collections::BTreeMap;

/// Different things, counted, and bounded: agents make up what they do.
#[derive(Debug, Clone)]
pub(in crate::html) struct Few<K, V, const MOST: usize> {
    /// Those that are kept.
    pub(in crate::html) kept: BTreeMap<K, V>,
    /// How often something else came.
    pub(in crate::html) others: u64,
}

impl<K, V, const MOST: usize> Default for Few<K, V, MOST> {
    fn default() -> Self {
        Self { kept: BTreeMap::new(), others: 0 }
    }
}

impl<K: Ord, V: Default, const MOST: usize> Few<K, V, MOST> {
    /// The place of one thing; none where there is no room for another.
    pub(in crate::html) fn of(&mut self, key: K) -> Option<&mut V> {
        if self.kept.len() >= MOST && !self.kept.contains_key(&key) {
            self.others += 1;
            return None;
        }
        Some(self.kept.entry(key).or_default())
    }

    /// Whether there was nothing.
    pub(in crate::html) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

/// A text as it is kept: its beginning, and a little more than is shown, so that it is seen to be cut.
pub(in crate::html) fn kept(text: &str) -> String {
    text.chars().take(crate::html::page::LINE + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_counted() {
        let mut few: Few<u32, u64, 2> = Few::default();
        for thing in [1, 2, 3, 1, 4] {
            if let Some(count) = few.of(thing) {
                *count += 1;
            }
        }
        assert_eq!(few.kept, BTreeMap::from([(1, 2), (2, 1)]));
        assert_eq!(few.others, 2);
        assert_eq!(kept(&"x".repeat(1 << 20)).len(), 241);
    }
}
