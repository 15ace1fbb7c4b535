//! What each plugin may send at present.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Grants;
use crate::types::PluginKey;

/// The grants of the versions that run. Kept by whoever swaps them in.
#[derive(Debug, Default)]
pub struct Granted {
    plugins: Mutex<BTreeMap<PluginKey, Arc<Grants>>>,
}

impl Granted {
    /// From now on these are the plugin's.
    pub fn set(&self, key: PluginKey, grants: Arc<Grants>) {
        self.lock().insert(key, grants);
    }

    /// The plugin doesn't run any more.
    pub fn remove(&self, key: &PluginKey) {
        self.lock().remove(key);
    }

    /// The plugin's, if it runs.
    #[must_use]
    pub fn get(&self, key: &PluginKey) -> Option<Arc<Grants>> {
        self.lock().get(key).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PluginKey, Arc<Grants>>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
