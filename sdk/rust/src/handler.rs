//! The handlers: one trait for each, implement the ones you want.

use crate::{ChatPush, Event, HandlerError, RoomJoin};

/// What a handler answers: done, or why not.
pub type Outcome = Result<(), HandlerError>;

/// Handles `room.join`: a visitor connected to a session.
///
/// Each event gets a fresh instance of the plugin: nothing in memory is left
/// from an earlier call, statics neither. It can run more than once for one
/// event, after a crash or an error.
pub trait OnRoomJoin {
    /// Handles one event. `Ok` marks it as done.
    ///
    /// # Errors
    /// [`HandlerError::Retry`] has the host try again later,
    /// [`HandlerError::Reject`] ends this delivery.
    fn on_room_join(event: RoomJoin) -> Outcome;
}

/// Handles `chat.push`: somebody said something.
pub trait OnChatPush {
    /// Handles one message, in the same way as [`OnRoomJoin::on_room_join`].
    ///
    /// # Errors
    /// As there.
    fn on_chat_push(event: ChatPush) -> Outcome;
}

/// Handles every other event: `agent.ready`, `video.completed`, `test`, types
/// that come later, and a `room.join` or `chat.push` whose `data` doesn't fit
/// its record.
pub trait OnEvent {
    /// Handles one event, in the same way as [`OnRoomJoin::on_room_join`].
    ///
    /// # Errors
    /// As there.
    fn on_event(event: Event) -> Outcome;
}
