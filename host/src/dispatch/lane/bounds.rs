//! How much a lane holds in memory, and how much of that one session may have.

use crate::journal::PAGE_BYTES;

/// How many deliveries a lane holds at most.
pub const CAPACITY: usize = 4096;

/// How many bytes of bodies a lane holds at most, but for a single delivery,
/// which always has room. Decoded, a body takes up to three times its bytes.
pub const MAX_BYTES: usize = 32 << 20;

/// How many deliveries are read from the store at once.
pub const PAGE: usize = 512;

/// What waits in one session has at most this part of what is free. So a session
/// alone has room for more than a page, while a hundred of them that stand still
/// leave a twenty-fifth of the lane to the others, and it is never full of what
/// can't run.
const SHARE: usize = 4;

/// How much a lane holds at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Deliveries.
    pub deliveries: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
    /// Deliveries in one page of the store.
    pub page: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            deliveries: CAPACITY,
            bytes: MAX_BYTES,
            page: PAGE,
        }
    }
}

/// Deliveries and the bytes of their bodies.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::dispatch) struct Load {
    pub(in crate::dispatch) deliveries: usize,
    pub(in crate::dispatch) bytes: usize,
}

impl Load {
    /// As much as this and the other.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            deliveries: self.deliveries + other.deliveries,
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// Whether it is neither more deliveries nor more bytes.
    pub(super) fn fits(self, room: Self) -> bool {
        self.deliveries <= room.deliveries && self.bytes <= room.bytes
    }
}

impl Bounds {
    /// The most that one page brings.
    pub(super) fn page_load(&self) -> Load {
        Load {
            deliveries: self.page,
            bytes: PAGE_BYTES,
        }
    }

    /// Whether so much more is too much; the first always has room.
    pub(super) fn exceeded(&self, held: Load, more: Load) -> bool {
        let all = Load {
            deliveries: self.deliveries,
            bytes: self.bytes,
        };
        held.deliveries > 0 && !held.and(more).fits(all)
    }

    /// What may wait in one session when the lane holds so much. There is room
    /// for a page beside it.
    pub(super) fn share(&self, held: Load) -> Load {
        let used = held.and(self.page_load());
        Load {
            deliveries: self.deliveries.saturating_sub(used.deliveries) / SHARE,
            bytes: self.bytes.saturating_sub(used.bytes) / SHARE,
        }
    }
}
