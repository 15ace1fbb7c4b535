//! Which plugins are paused, for the operator.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::breaker::Breaker;
use super::now::Now;
use crate::types::{PluginKey, UnixMicros};

/// A plugin's breaker as the operator sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerStatus {
    /// Whether the plugin is paused.
    pub state: BreakerState,
    /// Until when.
    pub until: Option<UnixMicros>,
    /// How many attempts in a row failed until it was paused, probes included.
    pub failures: u32,
}

/// Whether a plugin is paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// It runs.
    #[default]
    Closed,
    /// It is paused.
    Open,
    /// One attempt shows whether it works again.
    Probing,
}

impl BreakerStatus {
    fn of(breaker: &Breaker, now: Now) -> Self {
        let status = |state, until| Self {
            state,
            until,
            failures: breaker.failures(),
        };
        if breaker.is_probing() {
            return status(BreakerState::Probing, None);
        }
        match breaker.open_until() {
            Some(until) => {
                let pause = until.saturating_duration_since(now.mono);
                status(BreakerState::Open, Some(now.wall.after(pause)))
            }
            None => Self::default(),
        }
    }
}

/// The plugins whose breakers aren't closed.
#[derive(Debug, Default)]
pub(super) struct Paused(Mutex<BTreeMap<PluginKey, BreakerStatus>>);

impl Paused {
    pub(super) fn get(&self, key: &PluginKey) -> BreakerStatus {
        self.lock().get(key).copied().unwrap_or_default()
    }

    /// Keeps what is to be seen of a plugin; `None` if it is gone.
    pub(super) fn set(&self, key: &PluginKey, breaker: Option<&Breaker>, now: Now) {
        let status = breaker.map(|breaker| BreakerStatus::of(breaker, now));
        match status.filter(|status| status.state != BreakerState::Closed) {
            Some(status) => {
                self.lock().insert(key.clone(), status);
            }
            None => {
                self.lock().remove(key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PluginKey, BreakerStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
