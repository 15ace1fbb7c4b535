//! Entries, kept by the host.

use super::bindings::imports::wasi::keyvalue::{atomics, store};
use crate::kv::{Error, Page};

#[derive(Debug)]
pub(crate) struct Bucket(store::Bucket);

impl Bucket {
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        store::open(name).map(Self).map_err(refused)
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key).map_err(refused)
    }

    pub(crate) fn set(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        self.0.set(key, bytes).map_err(refused)
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), Error> {
        self.0.delete(key).map_err(refused)
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, Error> {
        self.0.exists(key).map_err(refused)
    }

    pub(crate) fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        atomics::increment(&self.0, key, delta).map_err(refused)
    }

    pub(crate) fn list(&self, after: Option<&str>) -> Result<Page, Error> {
        let page = self.0.list_keys(after).map_err(refused)?;
        Ok((page.keys, page.cursor))
    }
}

fn refused(error: store::Error) -> Error {
    Error::Refused(match error {
        store::Error::NoSuchStore => "there is no such bucket".to_owned(),
        store::Error::AccessDenied => "the plugin may not use this bucket".to_owned(),
        store::Error::Other(reason) => reason,
    })
}
