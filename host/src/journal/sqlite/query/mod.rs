//! The questions of the journal's readers, one file each.

mod attempts;
mod counters;
mod deliveries;
mod events;
mod kv;
mod newest;
mod outbox;
mod pending;
mod replay;

pub(super) use self::attempts::attempts;
pub(super) use self::counters::counters;
pub(super) use self::deliveries::deliveries;
pub(super) use self::events::{event, events};
pub(super) use self::kv::{kv_get, kv_list, kv_open};
pub(super) use self::outbox::{outbox, outbox_due, outbox_plugins};
pub(super) use self::pending::{Which, pending};
pub(super) use self::replay::replayed;
