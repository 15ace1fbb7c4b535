//! Pauses between tries that fail.

use std::time::Duration;

/// Exponential backoff with full jitter: anywhere between nothing and a bound
/// that is `base` after the first try and doubles with each up to `max`. Spreads
/// what failed together. `random` is evenly distributed in 0..1.
#[must_use]
pub fn full_jitter(base: Duration, max: Duration, tries: u32, random: f64) -> Duration {
    let doublings = tries.saturating_sub(1).min(31);
    let bound = base.saturating_mul(1 << doublings).min(max);
    bound.mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(300);

    #[test]
    fn the_bound_doubles() {
        let bounds = [1, 2, 3, 4].map(|tries| full_jitter(BASE, MAX, tries, 1.0).as_secs());
        assert_eq!(bounds, [1, 2, 4, 8]);
        assert_eq!(full_jitter(BASE, MAX, u32::MAX, 1.0), MAX);
        assert_eq!(full_jitter(BASE, MAX, 5, 0.0), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_its_bound(tries in 1u32..1000, random in 0.0f64..1.0) {
            let pause = full_jitter(BASE, MAX, tries, random);
            prop_assert!(pause <= MAX);
            if tries < 9 {
                prop_assert!(pause <= BASE * 2u32.pow(tries - 1));
            }
        }
    }
}
