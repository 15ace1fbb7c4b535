//! Reads the provider's envelopes: from a body to what the host needs to know.
//!
//! ```text
//! body ─▶ scan (UTF-8, depth, lone surrogates) ─▶ fields of the envelope, unread
//!      ─▶ fields of `data`, unread ─▶ typed payload
//! ```
//!
//! There are two envelopes: `event_type`/`agent_id`/`timestamp` of the session
//! family and `event`/`id`/`created` of the account family. A body is refused
//! only where it isn't an event at all ([`NotAnEvent`]), since what is refused is
//! lost for good. Everything else is accepted as it is:
//!
//! - A field of an unexpected type counts as absent; extra fields are kept in the
//!   raw body.
//! - Of two fields with the same name the last one counts, as in nearly every
//!   JSON reader that a handler may use on the raw text.
//! - Where both `event_type` and `event` are strings, `event_type` counts and the
//!   body belongs to the session family.
//! - Half a surrogate pair (`"\ud83d"` alone) is read as U+FFFD; the raw text
//!   keeps the escape.
//!
//! Fields are first taken as unread slices and only those that matter are read,
//! so that a body is gone through twice and nothing is built that isn't kept.

mod data;
mod fields;
mod scan;
#[cfg(test)]
mod tests;

use super::payload::Payload;
use fields::Envelope;

pub use scan::MAX_DEPTH;

/// What a body says about its event.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// `event_type`, else `event`.
    pub event_type: String,
    /// `agent_id`, else `data.agent_id`, if a string.
    pub agent_id: Option<String>,
    /// `data.session_id`, if a string.
    pub session_id: Option<String>,
    /// `timestamp`, else `created`, if a number. Unix seconds.
    pub occurred_at: Option<f64>,
    /// `id` of an account event, if a string that isn't empty (an empty one
    /// would make all such events duplicates of each other).
    pub delivery_id: Option<String>,
    /// The content.
    pub payload: Payload,
}

/// Why a body isn't an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEvent {
    /// Bytes that aren't UTF-8.
    #[error("the body isn't UTF-8: the byte at offset {offset} can't stand there")]
    NotUtf8 {
        /// Of the first bad byte, from 0.
        offset: usize,
    },
    /// Arrays and objects inside each other, too many.
    #[error(
        "the body is nested deeper than {MAX_DEPTH} levels, from line {line}, column {column} on"
    )]
    TooDeep {
        /// From 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
    },
    /// JSON, but an array or a scalar.
    #[error("the body must be a JSON object, this is {found}")]
    NotAnObject {
        /// What it is, with an article.
        found: &'static str,
    },
    /// Not JSON.
    #[error("the body isn't JSON: {reason} at line {line}, column {column}")]
    Malformed {
        /// What is wrong.
        reason: String,
        /// From 1; 0 in an empty body's first line.
        line: usize,
        /// In bytes, from 1.
        column: usize,
    },
    /// No type.
    #[error("neither `event_type` nor `event` is a string, so this isn't an event")]
    NoType,
}

impl NotAnEvent {
    /// The error's code in an answer.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotUtf8 { .. } => "not_utf8",
            Self::TooDeep { .. } => "too_deep",
            Self::NotAnObject { .. } => "not_an_object",
            Self::Malformed { .. } => "malformed_json",
            Self::NoType => "no_event_type",
        }
    }
}

/// Reads a body.
///
/// # Errors
/// When it isn't an event: see [`NotAnEvent`].
pub fn parse(body: &[u8]) -> Result<Parsed, NotAnEvent> {
    let text = scan::scan(body)?;
    let envelope = Envelope::read(text.readable())?;
    let (event_type, family) = envelope.event_type().ok_or(NotAnEvent::NoType)?;
    let data = envelope.data.map(data::Data::read);
    Ok(Parsed {
        agent_id: fields::string(envelope.agent_id).or_else(|| data?.string(data::Field::AgentId)),
        session_id: data.and_then(|data| data.string(data::Field::SessionId)),
        occurred_at: fields::number(envelope.timestamp)
            .or_else(|| fields::number(envelope.created)),
        delivery_id: match family {
            Family::Session => None,
            Family::Account => fields::string(envelope.id).filter(|id| !id.is_empty()),
        },
        payload: data::payload(&event_type, data, &text),
        event_type,
    })
}

/// Reads the content of a stored event again: the same payload that [`parse`]
/// made of the same body. A body that [`parse`] would refuse has no content for
/// a typed handler.
#[must_use]
pub fn decode_payload(event_type: &str, body: &[u8]) -> Payload {
    let Ok(text) = scan::scan(body) else {
        return Payload::Other;
    };
    match Envelope::read(text.readable()) {
        Ok(envelope) => data::payload(event_type, envelope.data.map(data::Data::read), &text),
        Err(_) => Payload::Other,
    }
}

/// The two families of bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Session,
    Account,
}
