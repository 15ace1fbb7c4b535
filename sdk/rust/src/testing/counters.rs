//! Counters of native runs.

use super::effects::with;

/// # Panics
/// Where the host would end the attempt.
pub(crate) fn add(name: &str, delta: i64) {
    assert!(
        (1..=256).contains(&name.len()),
        "a counter's name has 1 to 256 bytes, and this one has {}",
        name.len()
    );
    with(|effects| {
        let sum = effects.counters.entry(name.to_owned()).or_default();
        *sum = sum.saturating_add(delta);
    });
}
