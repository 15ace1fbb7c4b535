//! The envelope's own fields, as slices of the body that are read on demand.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Family, NotAnEvent};

/// The fields of either envelope, unread.
#[derive(Clone, Copy, Default)]
pub(super) struct Envelope<'a> {
    event_type: Option<&'a RawValue>,
    event: Option<&'a RawValue>,
    pub(super) agent_id: Option<&'a RawValue>,
    pub(super) id: Option<&'a RawValue>,
    pub(super) timestamp: Option<&'a RawValue>,
    pub(super) created: Option<&'a RawValue>,
    pub(super) data: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    EventType,
    Event,
    AgentId,
    Id,
    Timestamp,
    Created,
    Data,
    #[serde(other)]
    Unknown,
}

impl<'a> Envelope<'a> {
    /// Takes the fields out of a text that the scan has passed.
    pub(super) fn read(text: &'a str) -> Result<Self, NotAnEvent> {
        serde_json::from_str(text).map_err(|error| match kind_of(text) {
            // A syntax error comes first: `[1,` isn't an array.
            Some(found) if error.is_data() => NotAnEvent::NotAnObject { found },
            _ => NotAnEvent::Malformed {
                reason: reason(&error),
                line: error.line(),
                column: error.column(),
            },
        })
    }

    /// The event's type, and the family that it shows.
    pub(super) fn event_type(&self) -> Option<(String, Family)> {
        string(self.event_type)
            .map(|name| (name, Family::Session))
            .or_else(|| string(self.event).map(|name| (name, Family::Account)))
    }
}

/// What a JSON text holds if it isn't an object.
fn kind_of(text: &str) -> Option<&'static str> {
    let first = text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .chars()
        .next()?;
    (first != '{').then(|| kind_by(first))
}

/// What a value is, with an article.
pub(super) fn kind(value: &RawValue) -> &'static str {
    value.get().chars().next().map_or("nothing", kind_by)
}

fn kind_by(first: char) -> &'static str {
    match first {
        '{' => "an object",
        '[' => "an array",
        '"' => "a string",
        't' | 'f' => "a boolean",
        'n' => "null",
        _ => "a number",
    }
}

/// The reader's message without the place, which stands apart.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Envelope::default();
                while let Some(field) = map.next_key()? {
                    let place = match field {
                        Field::EventType => &mut found.event_type,
                        Field::Event => &mut found.event,
                        Field::AgentId => &mut found.agent_id,
                        Field::Id => &mut found.id,
                        Field::Timestamp => &mut found.timestamp,
                        Field::Created => &mut found.created,
                        Field::Data => &mut found.data,
                        Field::Unknown => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    *place = Some(map.next_value()?);
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// The value, if it is there and a string.
pub(super) fn string(value: Option<&RawValue>) -> Option<String> {
    let text = value?.get();
    // The first byte tells, without the cost of making an error.
    text.starts_with('"')
        .then(|| serde_json::from_str(text).ok())?
}

/// The value, if it is there and a number that an f64 can hold.
pub(super) fn number(value: Option<&RawValue>) -> Option<f64> {
    let text = value?.get();
    // The standard library's reader rounds correctly, serde_json's may be one
    // bit off. JSON's numbers are a part of what it reads.
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        .then(|| text.parse().ok())?
        .filter(|number: &f64| number.is_finite())
}
