//! A plugin's manifest: whoever may drop a plugin into the folder writes it.
//!
//! Held true: whatever it says, no limit is above what the operator allows, and
//! none is nothing.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use hookbox::plugins::manifest::{Manifest, Policy};
use hookbox::sandbox::AttemptLimits;
use hookbox_fuzz::{examples, files, write_seeds};
use libfuzzer_sys::fuzz_target;

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    attempt: AttemptLimits::default(),
    concurrency: 8,
});

fn seeds() -> Vec<Vec<u8>> {
    let mut all = examples("toml");
    all.extend(files(&["plugins"], "toml"));
    all
}

fuzz_target!(
    init: write_seeds(seeds),
    |text: &[u8]| {
        let Ok(manifest) = Manifest::parse(text, Path::new("p.toml"), &POLICY) else {
            return;
        };
        let (got, most) = (manifest.limits, POLICY.attempt);
        assert!(got.memory <= most.memory && got.memory > 0);
        assert!(got.cpu <= most.cpu && !got.cpu.is_zero());
        assert!(got.wall <= most.wall && !got.wall.is_zero());
        assert!(got.log <= most.log);
        assert!((1..=POLICY.concurrency).contains(&manifest.concurrency));
        assert!(got.effects.kv_value <= most.effects.kv_value);
        assert!(got.effects.kv_total <= most.effects.kv_total);
        assert!(got.effects.requests <= most.effects.requests);
        assert!(got.effects.request_body <= most.effects.request_body);
        assert!(got.http.requests <= most.http.requests);
        assert!(got.http.response_body <= most.http.response_body);
        assert!((1..=100).contains(&manifest.retry.attempts));
        assert!(manifest.retry.base <= manifest.retry.max);
        assert!(manifest.breaker.pause <= manifest.breaker.max_pause);
        // The same text is the same manifest.
        let again = Manifest::parse(text, Path::new("p.toml"), &POLICY);
        assert_eq!(again.ok(), Some(manifest));
    }
);
