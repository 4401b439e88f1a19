//! A file whose content others than the guest put there: it is in the store already.

use super::{Content, FileNode};
use crate::stage::Room;
use crate::tree::FileEntry;
use longhaul_core::digest::Digest;
use std::sync::Arc;

impl FileNode {
    /// A new file whose content is in the store already; its bytes are charged.
    pub(in crate::stage) fn written(identity: u64, entry: FileEntry, room: &Arc<Room>) -> Arc<Self> {
        let content = Content::Object { digest: entry.digest, size: entry.size, written: true };
        Self::with(identity, content, entry.executable, room.tick(), room)
    }

    /// Takes content that is in the store already; its bytes are charged.
    pub(in crate::stage) fn take(&self, entry: FileEntry) {
        let mut body = self.write();
        let content = Content::Object { digest: entry.digest, size: entry.size, written: true };
        self.release(&std::mem::replace(&mut body.content, content));
        body.open = None;
        body.executable = entry.executable;
        body.changed = self.room.tick();
    }

    /// Bytes of it that count towards the quota, and no more when its name goes.
    pub(in crate::stage) fn own(&self) -> u64 {
        let body = self.read();
        if body.links == 1 { body.content.own() } else { 0 }
    }

    /// What it is, for somebody who lays it out: its content where that is in the store, whether it can be executed, and when it
    /// changed.
    pub(in crate::stage) fn glance(&self) -> (Option<Digest>, bool, u64) {
        let body = self.read();
        let digest = match body.content {
            Content::Object { digest, .. } => Some(digest),
            _ => None,
        };
        (digest, body.executable, body.changed)
    }
}
