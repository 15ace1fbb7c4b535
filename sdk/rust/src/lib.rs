#![doc = include_str!("guide.md")]

mod error;
mod event;
mod export;
mod handler;
mod raw;
mod request;
mod role;

pub mod config;
pub mod counters;
pub mod http;
pub mod kv;
pub mod outbox;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wasm;

pub use error::{HandlerError, OrFail};
pub use event::{ChatPush, Event, EventMeta, RoomJoin};
pub use handler::{OnChatPush, OnEvent, OnRoomJoin, Outcome};
pub use role::Role;

pub use log;
pub use serde;
pub use serde_json;

/// What a plugin needs in one line: `use hookbox_sdk::prelude::*;`.
///
/// The logging macros come as `log::info!` and so on.
pub mod prelude {
    pub use crate::{
        ChatPush, Event, EventMeta, HandlerError, OnChatPush, OnEvent, OnRoomJoin, OrFail, Outcome,
        Role, RoomJoin, config, counters, http, kv, log, outbox,
    };
}
