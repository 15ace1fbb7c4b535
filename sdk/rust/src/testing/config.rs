//! The configuration of native runs: one for each thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::config::Error;

thread_local! {
    static CONFIG: RefCell<Values> = const { RefCell::new(Values::new()) };
}

/// The tables of a manifest.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) config: BTreeMap<String, String>,
    pub(super) secrets: BTreeMap<String, String>,
}

impl Values {
    const fn new() -> Self {
        Self {
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

/// Puts the values before it back, also when the handler panics.
pub(super) struct Restore(Values);

impl Drop for Restore {
    fn drop(&mut self) {
        CONFIG.set(std::mem::take(&mut self.0));
    }
}

/// Sets the values until the guard is dropped.
pub(super) fn during(values: Values) -> Restore {
    Restore(CONFIG.replace(values))
}

pub(crate) fn get(key: &str) -> Result<Option<String>, Error> {
    Ok(CONFIG.with_borrow(|values| {
        let plain = values.config.get(key);
        plain.or_else(|| values.secrets.get(key)).cloned()
    }))
}

pub(crate) fn all() -> Result<BTreeMap<String, String>, Error> {
    Ok(CONFIG.with_borrow(|values| values.config.clone()))
}
