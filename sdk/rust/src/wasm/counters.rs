//! Counters, kept by the host.

use super::bindings::imports::hookbox::plugin::counters;

pub(crate) fn add(name: &str, delta: i64) {
    counters::add(name, delta);
}
