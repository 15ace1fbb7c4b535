//! What of the feed waits for the task: bounded, and told when it has a gap.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::journal::Routed;

/// How many deliveries may wait in the channel. Beyond that the feed drops them
/// and all lanes catch up from the store.
const CAPACITY: usize = 16 * 1024;

/// How many bytes of bodies may wait there.
const MAX_BYTES: usize = 64 << 20;

/// How much of the feed waits, and whether it has a gap.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    deliveries: AtomicUsize,
    bytes: AtomicUsize,
    gap: AtomicBool,
}

impl Backlog {
    /// Whether there is room for these; if so, they count until they are
    /// [taken](Backlog::taken). A single commit always has room.
    pub(super) fn admit(&self, routed: &[Routed]) -> bool {
        let deliveries = self.deliveries.fetch_add(routed.len(), Ordering::Relaxed);
        let new = bytes(routed);
        let bytes = self.bytes.fetch_add(new, Ordering::Relaxed);
        let room = deliveries == 0 || (deliveries <= CAPACITY && bytes + new <= MAX_BYTES);
        if !room {
            self.taken(routed);
        }
        room
    }

    /// These no longer wait.
    pub(super) fn taken(&self, routed: &[Routed]) {
        self.deliveries.fetch_sub(routed.len(), Ordering::Relaxed);
        self.bytes.fetch_sub(bytes(routed), Ordering::Relaxed);
    }

    /// The feed has lost something. Returns whether nobody had said so yet.
    pub(super) fn open_gap(&self) -> bool {
        !self.gap.swap(true, Ordering::AcqRel)
    }

    /// What goes missing from now on is news again.
    pub(super) fn close_gap(&self) {
        self.gap.store(false, Ordering::Release);
    }
}

/// The bytes of the bodies; the deliveries of one event share theirs.
fn bytes(routed: &[Routed]) -> usize {
    let events = routed.chunk_by(|a, b| a.event.seq == b.event.seq);
    events.map(|event| event[0].event.event.body.len()).sum()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::dispatch::tests::{event, key};
    use crate::types::{DeliveryId, Payload};

    /// An event of `size` bytes for two plugins.
    fn commit(size: usize) -> Vec<Routed> {
        let event = event("x", Bytes::from(vec![b' '; size]), Payload::Other);
        let routed = |id| Routed {
            delivery: DeliveryId(id),
            plugin: key(),
            event: event.clone(),
        };
        vec![routed(1), routed(2)]
    }

    #[test]
    fn the_feed_is_bounded_by_bytes_and_an_events_count_once() {
        let backlog = Backlog::default();
        let large = commit(MAX_BYTES / 2);
        assert!(backlog.admit(&large));
        assert!(backlog.admit(&large));
        assert!(!backlog.admit(&commit(1)));
        backlog.taken(&large);
        assert!(backlog.admit(&commit(1)));
    }

    #[test]
    fn one_commit_always_has_room() {
        let backlog = Backlog::default();
        assert!(backlog.admit(&commit(MAX_BYTES + 1)));
        assert!(!backlog.admit(&commit(1)));
    }
}
