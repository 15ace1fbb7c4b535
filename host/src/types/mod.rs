//! The words that the other modules share: names, ids, events and what they
//! carry. Plain data and pure functions; nothing here does I/O.

pub mod backoff;
pub mod effects;
mod encodings;
pub mod envelope;
pub mod event;
pub mod ids;
pub mod names;
pub mod payload;
pub mod redact;
pub mod secret;
pub mod secrets;
pub mod subscription;
pub mod text;
pub mod time;

pub use effects::Effects;
pub use event::StoredEvent;
pub use ids::{DedupeKey, DeliveryId, EventId, EventSeq, OutboxId};
pub use names::{EndpointName, PluginKey, PluginName};
pub use payload::Payload;
pub use redact::Redactor;
pub use secret::Secret;
pub use secrets::Given;
pub use subscription::{Handler, Handlers, Subscription};
pub use time::UnixMicros;
