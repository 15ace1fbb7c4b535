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
mod log;

pub use adapter::Adapter;
pub use bindings::{chat_push, event, room_join};
