//! Numbers that the operator reads: each event counts once, through any number of
//! crashes and attempts.

/// Adds `delta` to the counter `name` of this plugin.
///
/// It happens when the handler's outcome is stored, if that is `Ok`. Nothing comes
/// back, so events that count the same thing are handled side by side. Where the
/// handler needs the sum, take [`kv::Bucket::increment`](crate::kv::Bucket::increment).
///
/// A name has 1 to 256 bytes, and one event adds to at most 1,000 counters: past
/// that the host ends the attempt.
pub fn add(name: &str, delta: i64) {
    source::add(name, delta);
}

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::counters as source;
#[cfg(target_arch = "wasm32")]
use crate::wasm::counters as source;
