//! Reads and writes of one attempt: the [`Overlay`] first, then the store. The
//! store is opened by the first use, so that a handler without key-value costs
//! nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::kv::KvSource;
use super::limits::EffectLimits;
use super::overlay::{Listing, Look, Overlay};
use super::stop::{Refusal, Stop, Trouble};
use crate::types::effects::{KvEffects, KvKey};

/// The longest name of a bucket, in bytes.
const MAX_BUCKET: usize = 256;

/// The longest key, in bytes.
const MAX_KEY: usize = 1024;

/// The most bytes of values that one call returns.
const MAX_ANSWER: usize = 16 << 20;

/// How many keys the store is asked for at once: with the largest values, that is
/// 4 MiB.
const CHUNK: usize = 64;

/// One attempt's access to its plugin's entries.
pub(in crate::sandbox) struct Entries {
    source: Arc<dyn KvSource>,
    limits: EffectLimits,
    overlay: Option<Box<Overlay>>,
}

impl Entries {
    pub(super) fn new(source: Arc<dyn KvSource>, limits: EffectLimits) -> Self {
        Self {
            source,
            limits,
            overlay: None,
        }
    }

    /// What is to be checked and kept.
    pub(super) fn into_effects(self) -> KvEffects {
        self.overlay
            .map_or_else(KvEffects::default, |overlay| overlay.into_effects())
    }

    /// The value of a key.
    pub(super) async fn get(&mut self, bucket: &str, key: &str) -> Result<Option<Bytes>, Trouble> {
        check_key(key)?;
        let (overlay, source) = self.open().await?;
        if let Look::Known(value) = overlay.look(bucket, key) {
            return Ok(value);
        }
        let entry = source.get(bucket, vec![key.to_owned()]).await?.pop();
        Ok(overlay.found(bucket, key, entry.flatten())?)
    }

    /// The values of keys, in the same order.
    pub(super) async fn get_many(
        &mut self,
        bucket: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Bytes>>, Trouble> {
        keys.iter().try_for_each(|key| check_key(key))?;
        let (overlay, source) = self.open().await?;
        let mut values = Vec::new();
        let mut bytes = 0;
        for keys in keys.chunks(CHUNK) {
            let mut known = BTreeMap::new();
            let mut unknown = Vec::new();
            for key in keys {
                match overlay.look(bucket, key) {
                    Look::Known(value) => {
                        known.insert(key.as_str(), value);
                    }
                    Look::Ask => unknown.push(key.as_str()),
                }
            }
            unknown.sort_unstable();
            unknown.dedup();
            if !unknown.is_empty() {
                let asked = unknown.iter().map(|key| (*key).to_owned()).collect();
                let entries = source.get(bucket, asked).await?;
                for (key, entry) in unknown.into_iter().zip(entries) {
                    known.insert(key, overlay.found(bucket, key, entry)?);
                }
            }
            for key in keys {
                let value = known.get(key.as_str()).cloned().flatten();
                bytes += value.as_ref().map_or(0, Bytes::len);
                if bytes > MAX_ANSWER {
                    return Err(Refusal::Answer { limit: MAX_ANSWER }.into());
                }
                values.push(value);
            }
        }
        Ok(values)
    }

    /// Gives a key a value, or removes it.
    pub(super) async fn put(
        &mut self,
        bucket: &str,
        key: &str,
        value: Option<Bytes>,
    ) -> Result<(), Trouble> {
        check_key(key)?;
        self.claim(bucket, key).await?;
        let (overlay, source) = self.open().await?;
        if overlay.needs_size(bucket, key) {
            let entry = source.get(bucket, vec![key.to_owned()]).await?.pop();
            overlay.sized(bucket, key, entry.flatten().as_ref())?;
        }
        overlay.write(bucket, key, value)
    }

    /// Says that a key is about to be written, before it is read for that: where
    /// its writers run one at a time, an attempt out of turn ends early.
    pub(super) async fn claim(&mut self, bucket: &str, key: &str) -> Result<(), Trouble> {
        check_key(key)?;
        let (overlay, source) = self.open().await?;
        if overlay.claim(bucket, key)? {
            let (bucket, key) = (bucket.to_owned(), key.to_owned());
            source.touch(&KvKey { bucket, key })?;
        }
        Ok(())
    }

    /// Adds to the number that a key holds.
    pub(super) async fn increment(
        &mut self,
        bucket: &str,
        key: &str,
        delta: i64,
    ) -> Result<i64, Trouble> {
        self.claim(bucket, key).await?;
        let number = match self.get(bucket, key).await? {
            None => 0,
            Some(value) => number(&value).ok_or_else(|| Refusal::NoNumber {
                key: key.to_owned(),
            })?,
        };
        let sum = number.checked_add(delta).ok_or_else(|| Refusal::Overflow {
            key: key.to_owned(),
            number,
            delta,
        })?;
        self.put(bucket, key, Some(sum.to_string().into())).await?;
        Ok(sum)
    }

    /// Some of a bucket's keys, those after `after`.
    pub(super) async fn list(
        &mut self,
        bucket: &str,
        after: Option<String>,
    ) -> Result<Listing, Trouble> {
        if let Some(after) = &after
            && after.len() > MAX_KEY
        {
            check_key(after)?;
        }
        let (overlay, source) = self.open().await?;
        let page = source.list(bucket, after.clone()).await?;
        Ok(overlay.page(bucket, after, page)?)
    }

    async fn open(&mut self) -> Result<(&mut Overlay, &dyn KvSource), Stop> {
        let overlay = match self.overlay.take() {
            Some(overlay) => overlay,
            None => Box::new(Overlay::new(self.limits, self.source.open().await?)),
        };
        Ok((self.overlay.insert(overlay), &*self.source))
    }
}

/// Refuses a name that no bucket has.
pub(super) fn check_bucket(name: &str) -> Result<(), Refusal> {
    let (limit, asked) = (MAX_BUCKET, name.len());
    match asked {
        1..=MAX_BUCKET => Ok(()),
        _ => Err(Refusal::BucketName { limit, asked }),
    }
}

fn check_key(key: &str) -> Result<(), Refusal> {
    let (limit, asked) = (MAX_KEY, key.len());
    match asked {
        1..=MAX_KEY => Ok(()),
        _ => Err(Refusal::Key { limit, asked }),
    }
}

fn number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
