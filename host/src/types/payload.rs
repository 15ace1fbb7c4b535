//! The content of an event, decoded for the handlers of the contract.

/// What an event carries, and so which handler it is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// A `room.join` whose `data` fits.
    RoomJoin(RoomJoin),
    /// A `chat.push` whose `data` fits.
    ChatPush(ChatPush),
    /// A `room.join` or `chat.push` whose `data` doesn't fit its record.
    Misfit(Misfit),
    /// Every other type: handlers get the body.
    Other,
}

/// `data` of a `room.join`; the fields' meaning stands in `wit/types.wit`.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomJoin {
    /// `data.room_name`
    pub room_name: String,
    /// `data.participant_count`
    pub participant_count: u32,
    /// `data.session_id`
    pub session_id: String,
    /// `data` as it was sent.
    pub raw: String,
}

/// `data` of a `chat.push`; the fields' meaning stands in `wit/types.wit`.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatPush {
    /// `data.role`
    pub role: Role,
    /// `data.message`
    pub message: String,
    /// `data.session_id`
    pub session_id: String,
    /// `data.timestamp`, Unix seconds.
    pub timestamp: f64,
    /// `data` as it was sent.
    pub raw: String,
}

/// Who said a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// `"user"`
    User,
    /// `"assistant"` or `"agent"`
    Agent,
    /// Any other word.
    Other(String),
}

/// The two types with a record of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedKind {
    /// `room.join`
    RoomJoin,
    /// `chat.push`
    ChatPush,
}

/// Where and why `data` doesn't fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The record that it should have fitted.
    pub kind: TypedKind,
    /// The place, such as `data.participant_count`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}
