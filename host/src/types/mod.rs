//! The words that the other modules share: names, ids, events and what they
//! carry. Plain data and pure functions; nothing here does I/O.

pub mod backoff;
pub mod effects;
pub mod envelope;
pub mod event;
pub mod ids;
pub mod names;
pub mod payload;
pub mod secret;
pub mod subscription;
pub mod text;
pub mod time;

pub use effects::Effects;
pub use event::StoredEvent;
pub use ids::{DedupeKey, DeliveryId, EventId, EventSeq, OutboxId};
pub use names::{EndpointName, PluginKey, PluginName};
pub use payload::Payload;
pub use secret::Secret;
pub use subscription::{Handler, Handlers, Subscription};
pub use time::UnixMicros;
