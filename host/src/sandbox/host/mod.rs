//! The host's side of what plugins import: one file for each interface.

mod config;
mod logging;
mod stdio;
pub(super) mod wasi;
