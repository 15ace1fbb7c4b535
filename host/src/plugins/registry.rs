//! What the operator sees of each plugin.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::notes::Note;
use crate::types::{Handlers, PluginKey, UnixMicros};

/// A plugin as it is now.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PluginStatus {
    /// What runs: the beginning of its content's hash.
    pub version: Option<String>,
    /// What the running version handles.
    pub handlers: Vec<&'static str>,
    /// Since when this version runs.
    pub since: Option<UnixMicros>,
    /// A new version is being compiled.
    pub loading: bool,
    /// Why the file that lies in the folder doesn't run.
    pub problem: Option<String>,
    /// The manifest turns it off.
    pub disabled: bool,
    /// Set if the file that lies in the folder was rolled back: `version` is the
    /// one before it.
    pub rolled_back: Option<RolledBack>,
}

/// A version that doesn't run any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The beginning of its content's hash.
    pub version: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: UnixMicros,
}

impl From<&Note> for RolledBack {
    fn from(note: &Note) -> Self {
        Self {
            version: note.bad.short(),
            reason: note.reason.clone(),
            since: note.since,
        }
    }
}

/// The plugins of all endpoints.
#[derive(Debug, Default)]
pub struct Registry {
    plugins: Mutex<BTreeMap<PluginKey, PluginStatus>>,
}

impl Registry {
    /// All plugins with their present status.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(PluginKey, PluginStatus)> {
        let pair = |(key, status): (&PluginKey, &PluginStatus)| (key.clone(), status.clone());
        self.lock().iter().map(pair).collect()
    }

    pub(super) fn loading(&self, key: &PluginKey) {
        let mut plugins = self.lock();
        let status = plugins.entry(key.clone()).or_default();
        status.loading = true;
        status.disabled = false;
    }

    /// This version runs; with the note if that is since the file was rolled back.
    pub(super) fn running(
        &self,
        key: &PluginKey,
        version: &str,
        handlers: Handlers,
        note: Option<&Note>,
    ) {
        let status = PluginStatus {
            version: Some(version.to_owned()),
            handlers: handlers.interfaces().collect(),
            since: Some(UnixMicros::now()),
            rolled_back: note.map(RolledBack::from),
            ..PluginStatus::default()
        };
        self.lock().insert(key.clone(), status);
    }

    /// The version before runs again. Whatever is known of a newer file stays.
    pub(super) fn rolled_back(
        &self,
        key: &PluginKey,
        version: &str,
        handlers: Handlers,
        note: &Note,
    ) {
        let mut plugins = self.lock();
        let status = plugins.entry(key.clone()).or_default();
        status.version = Some(version.to_owned());
        status.handlers = handlers.interfaces().collect();
        status.since = Some(note.since);
        status.rolled_back = Some(note.into());
    }

    pub(super) fn broken(&self, key: &PluginKey, problem: String) {
        let mut plugins = self.lock();
        let status = plugins.entry(key.clone()).or_default();
        status.loading = false;
        status.disabled = false;
        status.problem = Some(problem);
    }

    pub(super) fn disabled(&self, key: &PluginKey) {
        let status = PluginStatus {
            disabled: true,
            ..PluginStatus::default()
        };
        self.lock().insert(key.clone(), status);
    }

    pub(super) fn gone(&self, key: &PluginKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PluginKey, PluginStatus>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
