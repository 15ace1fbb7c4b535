//! What one attempt collects for its commit: entries, counters and requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::ResourceTable;

use super::entries::Entries;
use super::kv::KvSource;
use super::limits::EffectLimits;
use super::request::Outbox;
use super::stop::Stop;
use super::verdict::Verdict;
use crate::outbound::Grants;
use crate::types::effects::{CounterAdd, Effects};

/// The longest name of a counter, in bytes.
const MAX_NAME: usize = 256;

/// To how many counters an attempt adds.
const MAX_COUNTERS: usize = 1_000;

/// How many buckets and cas handles an attempt holds at once. Each of the latter
/// can hold a whole value.
pub(in crate::sandbox) const MAX_HANDLES: usize = 128;

/// Empty, and without an allocation of its own, until the handler uses it.
pub(in crate::sandbox) struct Collector {
    pub(super) entries: Entries,
    pub(super) counters: Counters,
    pub(super) outbox: Outbox,
    /// Buckets and cas handles.
    pub(super) handles: ResourceTable,
}

impl Collector {
    pub(super) fn new(kv: Arc<dyn KvSource>, grants: Arc<Grants>, limits: EffectLimits) -> Self {
        let mut handles = ResourceTable::new();
        handles.set_max_capacity(MAX_HANDLES);
        Self {
            entries: Entries::new(kv, limits),
            counters: Counters::default(),
            outbox: Outbox::new(grants, limits),
            handles,
        }
    }

    /// What counts of it after this verdict.
    pub(super) fn into_effects(self, verdict: &Verdict) -> Effects {
        let effects = Effects {
            counters: self.counters.into_adds(),
            kv: self.entries.into_effects(),
            outbox: self.outbox.into_requests(),
        };
        match verdict {
            Verdict::Done => effects,
            _ => effects.only_reads(),
        }
    }
}

/// Additions, merged by name.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Counters(BTreeMap<String, i64>);

impl Counters {
    /// Adds to a counter. Sums stop at the ends of the range.
    pub(super) fn add(&mut self, name: String, delta: i64) -> Result<(), Stop> {
        if !(1..=MAX_NAME).contains(&name.len()) {
            let (limit, asked) = (MAX_NAME, name.len());
            return Err(Stop::CounterName { limit, asked });
        }
        if let Some(sum) = self.0.get_mut(&name) {
            *sum = sum.saturating_add(delta);
            return Ok(());
        }
        let (limit, asked) = (MAX_COUNTERS, self.0.len() + 1);
        if asked > limit {
            return Err(Stop::Counters { limit, asked });
        }
        self.0.insert(name, delta);
        Ok(())
    }

    fn into_adds(self) -> Vec<CounterAdd> {
        let add = |(name, delta)| CounterAdd { name, delta };
        self.0.into_iter().map(add).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_to_one_counter_become_one() {
        let mut counters = Counters::default();
        for (name, delta) in [("b", 2), ("a", 1), ("b", -5), ("b", i64::MIN)] {
            counters.add(name.into(), delta).expect("few counters");
        }
        let adds = counters.into_adds();
        let adds: Vec<_> = adds.iter().map(|add| (&*add.name, add.delta)).collect();
        assert_eq!(adds, [("a", 1), ("b", i64::MIN)]);
    }

    #[test]
    fn a_flood_of_counters_names_the_limit() {
        let mut counters = Counters::default();
        for number in 0..MAX_COUNTERS {
            counters.add(number.to_string(), 1).expect("within it");
        }
        counters.add("7".into(), 1).expect("it is there already");
        let stop = counters.add("one more".into(), 1).expect_err("past it");
        assert_eq!(
            stop.to_string(),
            "limit of 1000 counters exceeded: the attempt adds to 1001 counters"
        );
    }

    #[test]
    fn a_counter_has_a_name_of_a_bounded_length() {
        let mut counters = Counters::default();
        for name in [String::new(), "n".repeat(MAX_NAME + 1)] {
            let stop = counters.add(name, 1).expect_err("no name");
            assert!(stop.to_string().contains("1 to 256 bytes"), "{stop}");
        }
    }
}
