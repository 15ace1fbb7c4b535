//! Runs handlers in wasmtime: engine, limits, one file for each host interface.
//!
//! A component comes in as code that a child process has compiled
//! ([`compile`]) and the host has verified; [`Sandbox::load`] links it into a
//! [`Program`]. [`Sandbox::run`] makes one attempt: a fresh [`state::State`] and
//! instance, the handler's call under its limits, and a [`Report`] of how it
//! ended. Nothing outlives an attempt but the program's read-only code and what
//! the report says: what the handler read and wants kept ([`collect`]) is for the
//! caller to check and to store.
//!
//! The limits of an attempt and what watches over each:
//!
//! | limit | watched by |
//! | --- | --- |
//! | memory | [`limits::MemoryGuard`], at each growth |
//! | CPU time | [`cpu::CpuClock`], at each tick of the epoch; long attempts share cores by [`turns`] |
//! | wall clock | a timer around the whole attempt |
//! | log | [`log::AttemptLog`], at each line |
//! | entries and counters | [`overlay`] and [`collect`], at each call; [`stop`] ends it |
//! | requests to send | [`request`], at each call |
//! | requests that it makes itself | [`http`], at each call and as data passes |
//! | reason | [`reason::reason`], when the attempt has ended |
//! | random bytes | `host::wasi::random`, at each call |
//! | bytes handed to the host, handles, fields | wasmtime and its WASI, at each call; [`verdict`] names them |
//!
//! Each is a field of [`AttemptLimits`], but for what [`engine`] fixes for all: the
//! stack, and how many instances, memories and tables a component has.

pub mod adapters;
pub mod attempt;
mod caught;
mod collect;
pub mod compile;
pub mod cpu;
pub mod engine;
mod entries;
mod host;
mod http;
pub mod kv;
pub mod limits;
mod load;
pub mod log;
mod overlay;
pub mod reason;
mod request;
mod state;
mod stop;
mod turns;
pub mod verdict;

pub use attempt::{Attempt, Report, Sandbox};
pub use engine::EngineLimits;
pub use kv::{KvProblem, KvSource};
pub use limits::{AttemptLimits, EffectLimits, HttpLimits};
pub use load::LoadError;
pub use verdict::{Failure, Verdict};

pub use adapters::Program;

#[cfg(test)]
mod tests;
