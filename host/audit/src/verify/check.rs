//! The state of a verification under way: the tree of what was read, and what of it a head has proven.

use super::finding::{Finding, Witness};
use super::{Ending, MAX_FINDINGS, Report, Trust};
use crate::key::{Rotation, Standing};
use crate::note::{Checkpoint, Opened, VerifierKey};
use crate::tree::{Frontier, LeafHash, TreeHead, TreeSize};
use longhaul_core::entry::Position;

/// How many entries are remembered that do not go with their stored hashes, until a head tells which of both is original.
const MAX_SUSPECTS: usize = MAX_FINDINGS;

/// An entry that does not go with the hash stored beside it.
struct Suspect {
    at: Position,
    bytes: LeafHash,
    stored: LeafHash,
}

/// A rotation and which of its keys have sealed it.
struct Handover<'a> {
    rotation: Rotation<'a>,
    sealed_by: Option<TreeSize>,
    from: bool,
    to: bool,
}

pub(super) struct Check<'a> {
    trust: &'a Trust<'a>,
    /// The position after the last entry.
    next: u64,
    /// The tree of the bytes that were read, since the last head that proved something.
    tree: Frontier,
    /// The tree of the stored hashes, from the first one on that differs.
    stored: Option<Frontier>,
    suspects: Vec<Suspect>,
    more_suspects: u64,
    proven: Frontier,
    /// Something is wrong that makes all later roots other ones: there is no use in telling it of each.
    broken: bool,
    /// Heads held elsewhere that are still to come, the smallest last.
    held: Vec<TreeHead>,
    heads: u64,
    last_at: Option<TreeSize>,
    last_head: Option<TreeHead>,
    /// The largest head that can be believed.
    largest: Option<(TreeSize, Witness)>,
    handovers: Vec<Handover<'a>>,
    findings: Vec<Finding>,
    further: u64,
}

impl<'a> Check<'a> {
    pub(super) fn new(trust: &'a Trust<'a>) -> Self {
        let since = trust.since.size();
        let mut held: Vec<TreeHead> = trust.held.iter().filter(|head| head.size >= since).copied().collect();
        held.sort_by_key(|head| std::cmp::Reverse(head.size));
        let handover =
            |rotation: Rotation<'a>| Handover { sealed_by: rotation.sealed_by(), rotation, from: false, to: false };
        let to_come = trust.ring.rotations().filter(|rotation| rotation.at.0 >= since.get());
        Self {
            trust,
            next: since.get(),
            tree: trust.since.clone(),
            stored: None,
            suspects: Vec::new(),
            more_suspects: 0,
            proven: trust.since.clone(),
            broken: false,
            held,
            heads: 0,
            last_at: None,
            last_head: None,
            largest: None,
            handovers: to_come.map(handover).collect(),
            findings: Vec::new(),
            further: 0,
        }
    }

    /// How many entries there are so far: the position of the next one.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn entry(&mut self, at: Position, bytes: &[u8], stored: Option<LeafHash>) {
        self.compare_held();
        let expected = Position(self.next);
        if at < expected {
            self.broken = true;
            return self.find(Finding::EntryOutOfOrder { expected, found: at });
        }
        if at > expected {
            self.broken = true;
            self.find(Finding::EntryMissing { expected, found: at });
        }
        self.next = at.0.saturating_add(1);
        let leaf = LeafHash::of(bytes);
        let stored = stored.unwrap_or(leaf);
        if stored != leaf {
            // Up to here both trees are the same.
            self.stored.get_or_insert_with(|| self.tree.clone());
            if self.suspects.len() < MAX_SUSPECTS {
                self.suspects.push(Suspect { at, bytes: leaf, stored });
            } else {
                self.more_suspects += 1;
            }
        }
        if let Some(tree) = &mut self.stored {
            tree.append_leaf(stored);
        }
        self.tree.append_leaf(leaf);
    }

    pub(super) fn head(&mut self, at: TreeSize, note: &[u8]) {
        self.heads += 1;
        if let Some(after) = self.last_at.filter(|after| at < *after) {
            self.find(Finding::HeadOutOfOrder { at, after });
        }
        self.last_at = self.last_at.max(Some(at));
        let Opened { checkpoint, signers } = match Checkpoint::open(note, self.trust.ring.keys()) {
            Ok(opened) => opened,
            Err(problem) => return self.find(Finding::HeadRefused { at, problem }),
        };
        if checkpoint.origin != *self.trust.origin {
            let (expected, found) = (self.trust.origin.clone(), checkpoint.origin);
            return self.find(Finding::HeadOfOther { at, expected, found });
        }
        let head = checkpoint.head;
        if head.size != at {
            self.find(Finding::HeadMisplaced { at, says: head.size });
        }
        if self.may_sign(&signers, head.size) {
            self.hand_over(&signers, head.size);
            if head.size == at {
                self.compare(head, Witness::Signed);
            }
            self.reaches(head.size, Witness::Signed);
        }
    }

    pub(super) fn finish(mut self) -> Report {
        self.compare_held();
        let entries = TreeSize::new(self.next).unwrap_or(TreeSize::MAX);
        if let Some(head) = self.held.first().copied() {
            self.reaches(head.size, Witness::Held);
        }
        if let Some((expected, by)) = self.largest.filter(|(size, _)| *size > entries) {
            self.find(Finding::Truncated { expected, found: entries, by });
        }
        let proven = self.proven.size();
        for handover in std::mem::take(&mut self.handovers) {
            let at = handover.rotation.at;
            if at.0 >= self.next {
                self.find(Finding::RotationMissing { at, found: entries });
            } else if proven.get() > at.0 || self.broken || self.trust.ending == Ending::Sealed {
                for (signed, key) in [(handover.from, handover.rotation.from), (handover.to, handover.rotation.to)] {
                    if !signed {
                        self.find(Finding::unsealed_rotation(&handover.rotation, key));
                    }
                }
            }
        }
        // Where something before is wrong already, that is why.
        if self.trust.ending == Ending::Sealed && !self.broken && proven.get() < self.next {
            self.find(Finding::Unsealed { from: Position(proven.get()), to: Position(self.next - 1) });
        }
        let Self { heads, proven, findings, further, .. } = self;
        Report { entries, heads, proven, findings, further }
    }

    /// Whether all signers that are trusted at all may sign a head of this size.
    fn may_sign(&mut self, signers: &[&VerifierKey], size: TreeSize) -> bool {
        let before = self.findings.len() as u64 + self.further;
        for key in signers {
            let (name, id) = (key.name().clone(), key.id());
            match self.trust.ring.standing(key, size) {
                // Those who opened the note are of the ring.
                Standing::Holds | Standing::Unknown => {}
                Standing::Retired { at } => self.find(Finding::KeyRetired { size, name, id, at }),
                Standing::NotYet { from } => self.find(Finding::KeyTooEarly { size, name, id, from }),
            }
        }
        self.findings.len() as u64 + self.further == before
    }

    fn hand_over(&mut self, signers: &[&VerifierKey], size: TreeSize) {
        for handover in self.handovers.iter_mut().filter(|it| it.sealed_by == Some(size)) {
            handover.from |= signers.contains(&handover.rotation.from);
            handover.to |= signers.contains(&handover.rotation.to);
        }
    }

    fn compare_held(&mut self) {
        while let Some(head) = self.held.pop_if(|head| head.size.get() <= self.next) {
            self.compare(head, Witness::Held);
            self.reaches(head.size, Witness::Held);
        }
    }

    fn reaches(&mut self, size: TreeSize, by: Witness) {
        if self.largest.is_none_or(|(largest, _)| size > largest) {
            self.largest = Some((size, by));
        }
    }

    /// Compares what was read with a head that can be believed, and that stands here.
    fn compare(&mut self, head: TreeHead, by: Witness) {
        let known = [Some(self.proven.head()), self.last_head];
        if let Some(one) = known.into_iter().flatten().find(|one| one.size == head.size && one.root != head.root) {
            return self.find(Finding::HeadsDisagree { size: head.size, one: one.root, other: head.root });
        }
        self.last_head = Some(head);
        if self.broken || head.size != self.tree.size() {
            return;
        }
        let found = self.tree.head().root;
        let (size, suspects) = (head.size, std::mem::take(&mut self.suspects));
        let stored = self.stored.take();
        if found == head.root {
            for Suspect { at, bytes, stored } in suspects {
                self.find(Finding::LeafAltered { at, expected: bytes, found: stored, size, by });
            }
        } else if let Some(original) = stored.filter(|stored| stored.head().root == head.root) {
            self.tree = original;
            for Suspect { at, bytes, stored } in suspects {
                self.find(Finding::EntryAltered { at, expected: stored, found: bytes, size, by });
            }
        } else {
            self.broken = true;
            let (from, to) = (Position(self.proven.size().get()), Position(size.get().saturating_sub(1)));
            let suspects = suspects.iter().take(10).map(|suspect| suspect.at).collect();
            return self.find(Finding::RangeAltered { from, to, head, found, by, suspects });
        }
        self.further += std::mem::take(&mut self.more_suspects);
        self.proven = self.tree.clone();
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.further += 1;
        }
    }
}
