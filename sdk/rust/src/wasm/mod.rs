//! The side towards the host, in wasm only. Not for plugins to call: `export!`
//! refers to it.
//!
//! One binding for each handler's world, so that a plugin carries the component
//! type of the handlers that it exports and of no other. Types and imports are
//! bound once and shared.

mod adapter;
mod arena;
mod bindings;
pub(crate) mod config;
mod convert;
pub(crate) mod counters;
pub(crate) mod http;
pub(crate) mod kv;
mod log;
pub(crate) mod outbox;

pub use adapter::Adapter;
pub use bindings::{chat_push, event, http as wasi_http, room_join};
