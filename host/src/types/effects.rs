//! What a handler reads and changes besides its answer: key-value, counters and
//! requests to send. Collected while it runs; kept in the commit of its outcome
//! or not at all.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use url::{Position, Url};

/// Writing a key changes a page of its own, as a rule. Looking one up takes a
/// tenth of that time, and a listed key a hundredth.
const WRITE_WEIGHT: usize = 4096;
const READ_WEIGHT: usize = 400;
const LISTED_WEIGHT: usize = 40;

/// All that one attempt did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Counters to add to: merged when committed, so they never conflict.
    pub counters: Vec<CounterAdd>,
    /// What it read and wrote in key-value.
    pub kv: KvEffects,
    /// Requests to queue, in the order of their index.
    pub outbox: Vec<OutgoingRequest>,
}

impl Effects {
    /// Whether there is nothing to check and nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty() && self.kv.is_empty() && self.outbox.is_empty()
    }

    /// What is left of them when the attempt has failed: nothing is kept, but an
    /// answer that came of outdated reads doesn't count either.
    #[must_use]
    pub fn only_reads(self) -> Self {
        Self {
            kv: KvEffects {
                writes: Vec::new(),
                ..self.kv
            },
            ..Self::default()
        }
    }

    /// Roughly how many bytes a commit writes for them, and what it takes to check
    /// them in the same measure.
    #[must_use]
    pub fn weight(&self) -> usize {
        let counters = self.counters.iter().map(|add| add.name.len() + 64);
        let writes = self.kv.writes.iter().map(KvWrite::weight);
        let requests = self.outbox.iter().map(OutgoingRequest::weight);
        let listed = self.kv.ranges.iter().map(|range| 1 + range.keys.len());
        let written: usize = counters.chain(writes).chain(requests).sum();
        written + self.kv.reads.len() * READ_WEIGHT + listed.sum::<usize>() * LISTED_WEIGHT
    }
}

/// One addition to a counter of the delivery's plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterAdd {
    /// The counter's name.
    pub name: String,
    /// How much to add; wraps nowhere: sums stop at the ends of the range.
    pub delta: i64,
}

/// The place of a commit in the order of all that changed key-value. Each entry
/// carries that of the commit that wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KvVersion(pub i64);

/// An entry's place: plugins see only their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KvKey {
    /// The bucket.
    pub bucket: String,
    /// The key in it.
    pub key: String,
}

impl fmt::Display for KvKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of bucket {:?}", self.key, self.bucket)
    }
}

/// An entry as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvEntry {
    /// The value.
    pub value: Bytes,
    /// Who wrote it.
    pub version: KvVersion,
}

/// The state that an attempt starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvSnapshot {
    /// The latest commit at that moment.
    pub version: KvVersion,
    /// Bytes of keys and values that the plugin has then.
    pub used: u64,
}

/// Some keys of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvPage {
    /// In ascending order of their bytes.
    pub keys: Vec<(String, KvVersion)>,
    /// Whether there may be more after them.
    pub more: bool,
}

/// What an attempt did in key-value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvEffects {
    /// What it found at each key that it read, its own writes apart; `None` is a
    /// miss.
    pub reads: Vec<(KvKey, Option<KvVersion>)>,
    /// The parts of buckets that it listed, its own writes apart.
    pub ranges: Vec<KvRange>,
    /// What it wrote, each key once.
    pub writes: Vec<KvWrite>,
}

impl KvEffects {
    /// Whether it did nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.ranges.is_empty() && self.writes.is_empty()
    }
}

/// A part of a bucket that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvRange {
    /// The bucket.
    pub bucket: String,
    /// The keys above this one; from the first if `None`.
    pub after: Option<String>,
    /// Up to this one, included; to the last if `None`.
    pub through: Option<String>,
    /// The keys that were there, in ascending order of their bytes.
    pub keys: Vec<String>,
}

/// A key's new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvWrite {
    /// Where.
    pub at: KvKey,
    /// What; `None` deletes.
    pub value: Option<Bytes>,
}

impl KvWrite {
    fn weight(&self) -> usize {
        self.at.key.len() + self.value.as_ref().map_or(0, Bytes::len) + WRITE_WEIGHT
    }
}

/// A request that a handler wants sent after its outcome is stored. Checked:
/// what is here can be sent as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingRequest {
    /// `POST`, …
    pub method: String,
    /// Absolute.
    pub url: String,
    /// As the handler gave them.
    pub headers: Vec<HeaderPair>,
    /// May be empty.
    pub body: Bytes,
}

impl OutgoingRequest {
    fn weight(&self) -> usize {
        let headers = self
            .headers
            .iter()
            .map(|pair| pair.name.len() + pair.value.len());
        self.url.len() + self.body.len() + headers.sum::<usize>() + 128
    }
}

/// Without what may be secret: the URL's path, and the headers' values.
impl fmt::Debug for OutgoingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = Url::parse(&self.url).ok();
        let origin = origin.map(|url| {
            url[..Position::BeforeUsername].to_owned() + url.host_str().unwrap_or_default()
        });
        f.debug_struct("OutgoingRequest")
            .field("method", &self.method)
            .field("to", &origin)
            .field("headers", &self.headers)
            .field("body", &self.body.len())
            .finish()
    }
}

/// A header of a request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderPair {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Without its value, which may be secret.
impl fmt::Debug for HeaderPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: …", self.name)
    }
}

/// A line that an attempt logged, as it is kept with the attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// `info`, …
    pub level: String,
    /// `stdout`, `stderr`, or the context that the handler gave.
    pub context: String,
    /// The line, without control characters.
    pub message: String,
}
