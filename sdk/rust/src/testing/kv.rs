//! Entries of native runs, under the host's limits by default.

use std::ops::Bound;

use super::effects::{Entries, with};
use crate::kv::{Error, Page};

const MAX_BUCKET: usize = 256;
const MAX_KEY: usize = 1024;
const MAX_VALUE: usize = 64 << 10;
/// Small, so that tests meet more than one.
const PAGE: usize = 10;

#[derive(Debug)]
pub(crate) struct Bucket(String);

impl Bucket {
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        check("a bucket's name", name, MAX_BUCKET)?;
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        check("a key", key, MAX_KEY)?;
        Ok(self.entries(|entries| entries.get(key).cloned()))
    }

    pub(crate) fn set(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        check("a key", key, MAX_KEY)?;
        if bytes.len() > MAX_VALUE {
            return Err(Error::Refused(format!(
                "a value has a limit of {MAX_VALUE} bytes, and this one has {}",
                bytes.len()
            )));
        }
        self.entries(|entries| entries.insert(key.to_owned(), bytes.to_owned()));
        Ok(())
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), Error> {
        check("a key", key, MAX_KEY)?;
        self.entries(|entries| entries.remove(key));
        Ok(())
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, Error> {
        self.get(key).map(|value| value.is_some())
    }

    pub(crate) fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        let refused = |what: &str| Error::Refused(format!("the value of {key:?} {what}"));
        let number = match self.get(key)? {
            None => 0,
            Some(bytes) => std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| refused("is no decimal number of 64 bits"))?,
        };
        let sum = i64::checked_add(number, delta)
            .ok_or_else(|| refused("would leave the range of 64 bits"))?;
        self.set(key, sum.to_string().as_bytes())?;
        Ok(sum)
    }

    pub(crate) fn list(&self, after: Option<&str>) -> Result<Page, Error> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut keys: Vec<String> = self.entries(|entries| {
            let above = entries.range::<str, _>((from, Bound::Unbounded));
            above.map(|(key, _)| key.clone()).take(PAGE + 1).collect()
        });
        let more = keys.len() > PAGE;
        keys.truncate(PAGE);
        let cursor = keys.last().filter(|_| more).cloned();
        Ok((keys, cursor))
    }

    fn entries<T>(&self, work: impl FnOnce(&mut Entries) -> T) -> T {
        with(|effects| work(effects.buckets.entry(self.0.clone()).or_default()))
    }
}

fn check(what: &str, text: &str, limit: usize) -> Result<(), Error> {
    if text.is_empty() || text.len() > limit {
        return Err(Error::Refused(format!(
            "{what} has 1 to {limit} bytes, and this one has {}",
            text.len()
        )));
    }
    Ok(())
}
