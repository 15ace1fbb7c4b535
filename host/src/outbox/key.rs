//! The `Idempotency-Key` of a request: by it the other side knows a repetition.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::types::{DeliveryId, EventId, PluginKey};

/// Sets these keys apart from other hashes of the same things.
const DOMAIN: &[u8] = b"hookbox outbox key 1\0";

/// The key of the `index`-th request that the handling of a delivery queued. The
/// same for all attempts, through crashes and on every machine; another one for
/// every other request.
///
/// It is a UUID of version 8 made of a SHA-256, since the draft standard wants a
/// value that nobody can guess to collide with.
#[must_use]
pub fn idempotency_key(
    plugin: &PluginKey,
    event: EventId,
    delivery: DeliveryId,
    index: u32,
) -> Uuid {
    let digest = Sha256::new()
        .chain_update(DOMAIN)
        // Names hold no zero byte, so no two pairs look the same.
        .chain_update(plugin.endpoint.as_str())
        .chain_update([0])
        .chain_update(plugin.plugin.as_str())
        .chain_update([0])
        .chain_update(event.0.as_bytes())
        .chain_update(delivery.0.to_be_bytes())
        .chain_update(index.to_be_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::types::{EndpointName, PluginName};

    fn plugin(endpoint: &str, plugin: &str) -> PluginKey {
        PluginKey {
            endpoint: EndpointName::new(endpoint).expect("a name"),
            plugin: PluginName::new(plugin).expect("a name"),
        }
    }

    const EVENT: EventId = EventId(Uuid::from_u128(0x0199_7f2e_8a4c_7000_8123_4567_89ab_cdef));

    #[test]
    fn the_key_is_the_same_on_every_day_and_machine() {
        let key = idempotency_key(&plugin("default", "slack"), EVENT, DeliveryId(42), 0);
        assert_eq!(key.to_string(), "b1b826d5-caa2-8ef4-8435-e76dfa3252cb");
    }

    #[test]
    fn every_request_has_its_own() {
        let other = EventId(Uuid::from_u128(7));
        let keys: BTreeSet<_> = [
            (plugin("default", "slack"), EVENT, 42, 0),
            (plugin("default", "slack"), EVENT, 42, 1),
            (plugin("default", "slack"), EVENT, 43, 0),
            (plugin("default", "slack"), other, 42, 0),
            (plugin("default", "slac"), EVENT, 42, 0),
            (plugin("other", "slack"), EVENT, 42, 0),
            (plugin("defaults", "lack"), EVENT, 42, 0),
        ]
        .into_iter()
        .map(|(plugin, event, delivery, index)| {
            idempotency_key(&plugin, event, DeliveryId(delivery), index)
        })
        .collect();
        assert_eq!(keys.len(), 7);
    }
}
