//! The configuration of native runs: one for each thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::config::Error;

thread_local! {
    static CONFIG: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
}

/// Puts the values before it back, also when the handler panics.
pub(super) struct Restore(BTreeMap<String, String>);

impl Drop for Restore {
    fn drop(&mut self) {
        CONFIG.set(std::mem::take(&mut self.0));
    }
}

/// Sets the values until the guard is dropped.
pub(super) fn during(values: BTreeMap<String, String>) -> Restore {
    Restore(CONFIG.replace(values))
}

pub(crate) fn get(key: &str) -> Result<Option<String>, Error> {
    Ok(CONFIG.with_borrow(|values| values.get(key).cloned()))
}

pub(crate) fn all() -> Result<BTreeMap<String, String>, Error> {
    Ok(CONFIG.with_borrow(Clone::clone))
}
