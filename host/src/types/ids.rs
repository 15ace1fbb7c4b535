//! Ids of events and deliveries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::UnixMicros;

/// The public id of an event: a UUID of version 7, so that ids sort by the time
/// of arrival. The same for all plugins and attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

impl EventId {
    /// A new id for an event that arrives now.
    #[must_use]
    pub fn generate() -> Self {
        Self::at(UnixMicros::now())
    }

    /// A new id for an event that arrives at `moment`: that to the microsecond, and
    /// 62 random bits. Not a secret, so it isn't worth a call of the system.
    #[must_use]
    pub fn at(moment: UnixMicros) -> Self {
        let micros = u64::try_from(moment.0).unwrap_or(0);
        let mut rest = [0; 10];
        fastrand::fill(&mut rest);
        // The first 12 bits may hold the time below the millisecond (RFC 9562, 6.2).
        let below = (micros % 1000) * 4096 / 1000;
        rest[..2].copy_from_slice(&below.to_be_bytes()[6..]);
        Self(uuid::Builder::from_unix_timestamp_millis(micros / 1000, &rest).into_uuid())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// An event's place in the journal: events are numbered in the order in which
/// they were stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventSeq(pub i64);

/// One event for one plugin. Numbered in the order in which they were stored,
/// so a plugin's deliveries sort in the order of their events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub i64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request in the outbox, numbered in the order in which they were queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OutboxId(pub i64);

impl fmt::Display for OutboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What makes two requests on one endpoint the same event.
///
/// The first 16 bytes of a SHA-256: two different events share a key with a
/// probability below 2^-80 even at billions of events, and whoever could search
/// for a collision has the endpoint's secret anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DedupeKey(pub [u8; 16]);

impl DedupeKey {
    /// The key of an event whose body carries a delivery id.
    #[must_use]
    pub fn of_delivery_id(id: &str) -> Self {
        Self::hash(b"id\0", id.as_bytes())
    }

    /// The key of an event that only its content identifies.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Self {
        Self::hash(b"body\0", body)
    }

    fn hash(domain: &[u8], content: &[u8]) -> Self {
        let digest = Sha256::new()
            .chain_update(domain)
            .chain_update(content)
            .finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_sort_by_their_moment_and_are_never_the_same() {
        let ids: Vec<_> = [
            1_790_607_268_895_000,
            1_790_607_268_895_001,
            1_790_607_268_896_000,
        ]
        .into_iter()
        .map(|micros| EventId::at(UnixMicros(micros)))
        .collect();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(ids[0].0.get_version_num(), 7);
        assert_eq!(
            ids[2].0.get_timestamp().map(|time| time.to_unix()),
            Some((1_790_607_268, 896_000_000))
        );
        let moment = UnixMicros::now();
        assert_ne!(EventId::at(moment), EventId::at(moment));
    }
}
