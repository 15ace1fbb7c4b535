//! The configuration, asked from the host.

use std::collections::BTreeMap;

use super::bindings::imports::wasi::config::store;
use crate::config::Error;

pub(crate) fn get(key: &str) -> Result<Option<String>, Error> {
    store::get(key).map_err(unreadable)
}

pub(crate) fn all() -> Result<BTreeMap<String, String>, Error> {
    Ok(store::get_all().map_err(unreadable)?.into_iter().collect())
}

fn unreadable(error: store::Error) -> Error {
    let (store::Error::Upstream(reason) | store::Error::Io(reason)) = error;
    Error::Unreadable(reason)
}
