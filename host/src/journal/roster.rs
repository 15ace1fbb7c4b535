//! The durable list of plugins: what the plugins folder needs.

use async_trait::async_trait;

use super::JournalError;
use crate::types::{PluginKey, Subscription};

/// Keeps the list of installed plugins.
#[async_trait]
pub trait Roster: Send + Sync + 'static {
    /// Puts a plugin on the durable list of installed plugins, or changes its
    /// subscription. Events stored from then on are routed to it, and what was
    /// parked for it is pending again.
    ///
    /// # Errors
    /// As for [`Intake::append`](super::Intake::append).
    async fn install(&self, plugin: Installed) -> Result<(), JournalError>;

    /// Takes a plugin off the list. Its pending deliveries are parked from now
    /// on: after [`JournalOptions::parked_for`](super::JournalOptions::parked_for)
    /// they are dead.
    ///
    /// # Errors
    /// As for [`Intake::append`](super::Intake::append).
    async fn uninstall(&self, plugin: PluginKey) -> Result<(), JournalError>;

    /// The plugins on the list.
    ///
    /// # Errors
    /// As for [`Intake::append`](super::Intake::append).
    async fn installed(&self) -> Result<Vec<Installed>, JournalError>;
}

/// A line of the durable list of installed plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Which plugin.
    pub key: PluginKey,
    /// What it is to get.
    pub subscription: Subscription,
}
