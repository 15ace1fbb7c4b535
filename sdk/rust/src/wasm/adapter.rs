//! Calls a plugin's handlers from the host's side.

use std::marker::PhantomData;

use super::bindings::{chat_push, event, room_join, room_join::hookbox::plugin::types as wit};
use super::log::start;
use crate::{OnChatPush, OnEvent, OnRoomJoin};

/// The plugin `P` as the bindings want it.
#[derive(Debug)]
pub struct Adapter<P>(PhantomData<P>);

impl<P: OnRoomJoin> room_join::exports::hookbox::plugin::on_room_join::Guest for Adapter<P> {
    fn handle(meta: wit::EventMeta, event: wit::RoomJoin) -> Result<(), wit::HandlerError> {
        start();
        P::on_room_join((meta, event).into()).map_err(Into::into)
    }
}

impl<P: OnChatPush> chat_push::exports::hookbox::plugin::on_chat_push::Guest for Adapter<P> {
    fn handle(meta: wit::EventMeta, event: wit::ChatPush) -> Result<(), wit::HandlerError> {
        start();
        P::on_chat_push((meta, event).into()).map_err(Into::into)
    }
}

impl<P: OnEvent> event::exports::hookbox::plugin::on_event::Guest for Adapter<P> {
    fn handle(meta: wit::EventMeta, body: String) -> Result<(), wit::HandlerError> {
        start();
        P::on_event((meta, body).into()).map_err(Into::into)
    }
}
