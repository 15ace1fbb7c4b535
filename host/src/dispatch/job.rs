//! A delivery in memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::breaker::Probe;
use super::contention::Contest;
use super::lane::Load;
use super::retry::Attempts;
use super::versions::TrialId;
use crate::types::{DeliveryId, StoredEvent};

/// A delivery in memory.
#[derive(Clone, Debug)]
pub struct Job {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The event.
    pub event: StoredEvent,
    /// The attempts that have failed.
    pub attempts: Attempts,
    /// Whether an operator asked for it.
    pub manual: bool,
    /// How often there was no room to run it since its latest attempt.
    pub no_room: u32,
    /// Its conflicts since its latest attempt that counted.
    pub contest: Option<Box<Contest>>,
    /// Which of its plugin's versions runs it.
    pub generation: u64,
    /// Set if it finds out whether its plugin works again.
    pub probe: Option<Probe>,
    /// Set if the version that runs it is on probation.
    pub trial: Option<TrialId>,
    /// Why the latest attempt trapped, if that was on a version on probation.
    pub trap: Option<String>,
    /// Whether others of its session wait for it. Not so for what came in while
    /// order was off.
    pub(super) owns_session: bool,
}

impl Job {
    /// A delivery as it comes in.
    #[must_use]
    pub fn new(delivery: DeliveryId, event: StoredEvent, attempts: Attempts) -> Self {
        Self {
            delivery,
            event,
            attempts,
            manual: false,
            no_room: 0,
            contest: None,
            generation: 0,
            probe: None,
            trial: None,
            trap: None,
            owns_session: false,
        }
    }

    /// The size of its body.
    pub(super) fn bytes(&self) -> usize {
        self.event.event.body.len()
    }

    /// What it takes of a lane's memory.
    pub(super) fn load(&self) -> Load {
        Load {
            deliveries: 1,
            bytes: self.bytes(),
        }
    }

    pub(super) fn owned_session(&self) -> Option<&str> {
        let session = self.event.event.session_id.as_deref();
        session.filter(|_| self.owns_session)
    }

    /// The same for all deliveries of a session; a delivery without one stands
    /// for itself.
    pub(super) fn source(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match &self.event.event.session_id {
            Some(session) => session.hash(&mut hasher),
            None => self.delivery.0.hash(&mut hasher),
        }
        hasher.finish()
    }
}
