//! `hookbox:plugin/counters`: additions, merged when the outcome is stored.

use crate::sandbox::adapters::bindings::hookbox::plugin::counters::Host;
use crate::sandbox::state::State;

impl Host for State {
    fn add(&mut self, name: String, delta: i64) -> wasmtime::Result<()> {
        Ok(self.collect.counters.add(name, delta)?)
    }
}
