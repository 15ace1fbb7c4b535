//! `data`: its fields, and the typed records made of them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields;
use super::scan::Text;
use crate::types::payload::{ChatPush, Misfit, Payload, Role, RoomJoin, TypedKind};

/// The fields of `data` that the host reads.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
pub(super) enum Field {
    AgentId,
    SessionId,
    RoomName,
    ParticipantCount,
    Role,
    Message,
    Timestamp,
    #[serde(other)]
    Unknown,
}

impl Field {
    fn path(self) -> &'static str {
        match self {
            Self::AgentId => "data.agent_id",
            Self::SessionId => "data.session_id",
            Self::RoomName => "data.room_name",
            Self::ParticipantCount => "data.participant_count",
            Self::Role => "data.role",
            Self::Message => "data.message",
            Self::Timestamp => "data.timestamp",
            Self::Unknown => "data",
        }
    }
}

/// `data` with its fields, unread.
#[derive(Clone, Copy)]
pub(super) struct Data<'a> {
    whole: &'a RawValue,
    /// Nothing if it isn't an object.
    fields: Option<Fields<'a>>,
}

#[derive(Clone, Copy, Default)]
struct Fields<'a>([Option<&'a RawValue>; Field::Unknown as usize]);

impl<'a> Data<'a> {
    pub(super) fn read(whole: &'a RawValue) -> Self {
        let fields = whole
            .get()
            .starts_with('{')
            .then(|| serde_json::from_str(whole.get()).ok())
            .flatten();
        Self { whole, fields }
    }

    /// A field, if it is there and a string.
    pub(super) fn string(&self, field: Field) -> Option<String> {
        fields::string(self.get(field))
    }

    fn get(&self, field: Field) -> Option<&'a RawValue> {
        *self.fields?.0.get(field as usize)?
    }
}

/// The content of an event of this type with this `data`.
pub(super) fn payload(event_type: &str, data: Option<Data<'_>>, text: &Text<'_>) -> Payload {
    let (kind, made) = match event_type {
        "room.join" => (
            TypedKind::RoomJoin,
            record(data).and_then(|data| room_join(data, text)),
        ),
        "chat.push" => (
            TypedKind::ChatPush,
            record(data).and_then(|data| chat_push(data, text)),
        ),
        _ => return Payload::Other,
    };
    made.unwrap_or_else(|Unfit { path, message }| {
        Payload::Misfit(Misfit {
            kind,
            path: path.to_owned(),
            message,
        })
    })
}

struct Unfit {
    path: &'static str,
    message: String,
}

fn record(data: Option<Data<'_>>) -> Result<Data<'_>, Unfit> {
    match data {
        Some(data) if data.fields.is_some() => Ok(data),
        other => Err(unfit("data", "an object", other.map(|data| data.whole))),
    }
}

fn room_join(data: Data<'_>, text: &Text<'_>) -> Result<Payload, Unfit> {
    Ok(Payload::RoomJoin(RoomJoin {
        room_name: string(data, Field::RoomName)?,
        participant_count: count(data, Field::ParticipantCount)?,
        session_id: string(data, Field::SessionId)?,
        raw: text.source_of(data.whole.get()).to_owned(),
    }))
}

fn chat_push(data: Data<'_>, text: &Text<'_>) -> Result<Payload, Unfit> {
    Ok(Payload::ChatPush(ChatPush {
        role: role(string(data, Field::Role)?),
        message: string(data, Field::Message)?,
        session_id: string(data, Field::SessionId)?,
        timestamp: number(data, Field::Timestamp)?,
        raw: text.source_of(data.whole.get()).to_owned(),
    }))
}

fn role(word: String) -> Role {
    match word.as_str() {
        "user" => Role::User,
        "assistant" | "agent" => Role::Agent,
        _ => Role::Other(word),
    }
}

fn string(data: Data<'_>, field: Field) -> Result<String, Unfit> {
    data.string(field)
        .ok_or_else(|| unfit(field.path(), "a string", data.get(field)))
}

fn number(data: Data<'_>, field: Field) -> Result<f64, Unfit> {
    fields::number(data.get(field)).ok_or_else(|| unfit(field.path(), "a number", data.get(field)))
}

/// A whole number of 32 bits. `3.0` is one: JSON knows no integers.
fn count(data: Data<'_>, field: Field) -> Result<u32, Unfit> {
    let value = data.get(field);
    whole(value).ok_or_else(|| unfit(field.path(), "a whole number from 0 to 4294967295", value))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a whole number in range"
)]
fn whole(value: Option<&RawValue>) -> Option<u32> {
    let text = value?.get();
    text.parse().ok().or_else(|| {
        fields::number(value)
            .filter(|number| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number))
            .map(|number| number as u32)
    })
}

fn unfit(path: &'static str, expected: &str, found: Option<&RawValue>) -> Unfit {
    let message = match found {
        None => format!("expected {expected}, but it is missing"),
        // A number that doesn't fit is best shown as it stands.
        Some(value) if fields::kind(value) == "a number" && value.get().len() <= 32 => {
            format!("expected {expected}, found {value}")
        }
        Some(value) => format!("expected {expected}, found {}", fields::kind(value)),
    };
    Unfit { path, message }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taker;
        impl<'de> Visitor<'de> for Taker {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Fields::default();
                while let Some(field) = map.next_key::<Field>()? {
                    match found.0.get_mut(field as usize) {
                        Some(place) => *place = Some(map.next_value()?),
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Taker)
    }
}
