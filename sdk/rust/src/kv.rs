//! Entries that outlive an event: each plugin has its own, in buckets that need
//! not be made first.
//!
//! Values are JSON, so that any type of serde can be kept, and read by an
//! operator. What a handler writes is kept together with its outcome, or not at
//! all: after an error, a panic or a crash it is as if the handler had not run.
//! If another event's handler changes what this one has read, this one is run
//! again from the start by itself. Its author notices nothing of that, except
//! that log lines may repeat.
//!
//! ```
//! use hookbox_sdk::prelude::*;
//!
//! # fn handle(event: ChatPush) -> Outcome {
//! let visitors = kv::Bucket::open("visitors")?;
//! let said: u32 = visitors.update(&event.session_id, |said: Option<u32>| said.unwrap_or(0) + 1)?;
//! log::info!("message {said} of {}", event.session_id);
//! # Ok(())
//! # }
//! ```
//!
//! Events whose handlers write the same entry can't be handled side by side. Keep
//! entries small and many (one for each session, say), and count with
//! [`counters`](crate::counters) what only the operator reads.
//!
//! Limits: 256 bytes for a bucket's name, 1,024 for a key, and unless the manifest
//! says otherwise 64 KiB for a value, 64 MiB for the plugin, and for one event
//! 4 MiB and 10,000 keys, of which it writes 256.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::HandlerError;

/// Why an operation on entries failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The host refuses it; the text names the limit.
    Refused(String),
    /// The entry isn't what the plugin takes it for, or can't be made JSON.
    Value {
        /// The entry's key.
        key: String,
        /// Why it doesn't fit.
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "key-value: {reason}"),
            Self::Value { key, reason } => write!(f, "the value of {key:?}: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for HandlerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(_) => Self::retry(error),
            Error::Value { .. } => Self::reject(error),
        }
    }
}

/// A collection of entries.
#[derive(Debug)]
pub struct Bucket(source::Bucket);

impl Bucket {
    /// The plugin's bucket with this name.
    ///
    /// # Errors
    /// When no bucket can be called that.
    pub fn open(name: &str) -> Result<Self, Error> {
        source::Bucket::open(name).map(Self)
    }

    /// The value of `key`; none if there is no such entry.
    ///
    /// # Errors
    /// When the value doesn't fit `T`, or the host refuses the key.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let read = |bytes: Vec<u8>| serde_json::from_slice(&bytes).map_err(|e| value(key, &e));
        self.get_bytes(key)?.map(read).transpose()
    }

    /// Gives `key` a value, in place of what it had.
    ///
    /// # Errors
    /// When the value can't be made JSON, or is over a limit of the host.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value_of: &T) -> Result<(), Error> {
        let bytes = serde_json::to_vec(value_of).map_err(|e| value(key, &e))?;
        self.set_bytes(key, &bytes)
    }

    /// Removes `key`. Nothing happens if there is no such entry.
    ///
    /// # Errors
    /// When the host refuses the key.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.0.delete(key)
    }

    /// Whether there is an entry.
    ///
    /// # Errors
    /// When the host refuses the key.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        self.0.exists(key)
    }

    /// All keys, in the order of their bytes. They are fetched a page at a time, as
    /// the iterator goes on: stop early where the first ones will do.
    pub fn keys(&self) -> Keys<'_> {
        Keys {
            bucket: self,
            page: Vec::new().into_iter(),
            next: Next::First,
        }
    }

    /// Adds to the number that `key` holds and returns the sum. A missing entry
    /// counts as 0; `get::<i64>` reads it.
    ///
    /// Events that increment the same entry wait for each other. To count without
    /// reading the sum, use [`counters::add`](crate::counters::add).
    ///
    /// # Errors
    /// When the entry holds something else, or the sum is out of range.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        self.0.increment(key, delta)
    }

    /// Reads a value, changes it and writes it back: nothing comes between.
    ///
    /// # Errors
    /// As for [`Bucket::get`] and [`Bucket::set`].
    pub fn update<T, F>(&self, key: &str, change: F) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce(Option<T>) -> T,
    {
        let changed = change(self.get(key)?);
        self.set(key, &changed)?;
        Ok(changed)
    }

    /// The value of `key` as it is stored.
    ///
    /// # Errors
    /// When the host refuses the key.
    pub fn get_bytes(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key)
    }

    /// Gives `key` a value that isn't JSON.
    ///
    /// # Errors
    /// When it is over a limit of the host.
    pub fn set_bytes(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        self.0.set(key, bytes)
    }
}

fn value(key: &str, reason: &serde_json::Error) -> Error {
    Error::Value {
        key: key.to_owned(),
        reason: reason.to_string(),
    }
}

/// The keys of a bucket: [`Bucket::keys`].
#[derive(Debug)]
pub struct Keys<'a> {
    bucket: &'a Bucket,
    page: std::vec::IntoIter<String>,
    next: Next,
}

/// The page to fetch when this one is used up.
#[derive(Debug)]
enum Next {
    First,
    After(String),
    None,
}

/// Some keys, and where to go on.
pub(crate) type Page = (Vec<String>, Option<String>);

impl Iterator for Keys<'_> {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(key) = self.page.next() {
                return Some(Ok(key));
            }
            let page = match std::mem::replace(&mut self.next, Next::None) {
                Next::None => return None,
                Next::First => self.bucket.0.list(None),
                Next::After(cursor) => self.bucket.0.list(Some(&cursor)),
            };
            match page {
                Err(error) => return Some(Err(error)),
                Ok((keys, cursor)) => {
                    self.page = keys.into_iter();
                    self.next = cursor.map_or(Next::None, Next::After);
                }
            }
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::kv as source;
#[cfg(target_arch = "wasm32")]
use crate::wasm::kv as source;
