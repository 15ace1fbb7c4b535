//! The host's side of what plugins import: one file for each interface.

mod config;
mod counters;
pub(in crate::sandbox) mod keyvalue;
mod logging;
mod outbox;
mod stdio;
pub(super) mod wasi;
