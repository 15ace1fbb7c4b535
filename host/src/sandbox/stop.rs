//! What a call of the host says instead of doing its work: an error for the
//! handler, or the end of the attempt.

use wasmtime::component::ResourceTableError;

use super::kv::KvProblem;

/// Ends the attempt at once. It leaves the host as a trap, so that no handler can
/// catch it; [`super::verdict::of_error`] knows it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::sandbox) enum Stop {
    /// Its entries have changed, or can't be read.
    #[error(transparent)]
    Entries(#[from] KvProblem),
    /// It goes through its entries without end.
    #[error(
        "key-value limit of {limit} keys exceeded: the attempt reads, lists or writes {asked} keys"
    )]
    Keys {
        /// The limit.
        limit: usize,
        /// How many there would have been.
        asked: usize,
    },
    /// It writes keys without end.
    #[error("key-value limit of {limit} written keys exceeded: the attempt writes {asked} keys")]
    Written {
        /// The limit.
        limit: usize,
        /// How many there would have been.
        asked: usize,
    },
    /// It makes up counters without end.
    #[error("limit of {limit} counters exceeded: the attempt adds to {asked} counters")]
    Counters {
        /// The limit.
        limit: usize,
        /// How many there would have been.
        asked: usize,
    },
    /// It asks for random bytes without end.
    #[error("random limit of {limit} bytes exceeded: {asked} bytes asked for")]
    Random {
        /// The limit.
        limit: u64,
        /// How many there would have been in all.
        asked: u64,
    },
    /// A counter can't be called this.
    #[error("a counter's name has 1 to {limit} bytes, and this one has {asked}")]
    CounterName {
        /// The limit.
        limit: usize,
        /// How long it is.
        asked: usize,
    },
}

/// An operation on entries that is refused. The handler is told and may go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::sandbox) enum Refusal {
    /// A bucket can't be called this.
    #[error("a bucket's name has 1 to {limit} bytes, and this one has {asked}")]
    BucketName {
        /// The limit.
        limit: usize,
        /// How long it is.
        asked: usize,
    },
    /// No key is like this.
    #[error("a key has 1 to {limit} bytes, and this one has {asked}")]
    Key {
        /// The limit.
        limit: usize,
        /// How long it is.
        asked: usize,
    },
    /// Too large a value.
    #[error("a value has a limit of {limit} bytes, and this one has {asked}")]
    Value {
        /// The limit.
        limit: usize,
        /// How large it is.
        asked: usize,
    },
    /// Too much written in one attempt.
    #[error(
        "the writes of one attempt have a limit of {limit} bytes, and with this one they have {asked}"
    )]
    Writes {
        /// The limit.
        limit: usize,
        /// What there would have been.
        asked: usize,
    },
    /// The plugin has no more room.
    #[error(
        "the entries of this plugin have a limit of {limit} bytes, and with this one they have {asked}: \
         delete some, or have the operator raise the limit"
    )]
    Total {
        /// The limit.
        limit: u64,
        /// What there would have been.
        asked: u64,
    },
    /// Too much read in one call.
    #[error("one call returns values up to a limit of {limit} bytes: ask for fewer keys")]
    Answer {
        /// The limit.
        limit: usize,
    },
    /// Too many handles.
    #[error("an attempt has a limit of {limit} buckets and cas handles: drop some")]
    Handles {
        /// The limit.
        limit: usize,
    },
    /// An increment of something else than a number.
    #[error("the value of {key:?} is no decimal number of 64 bits")]
    NoNumber {
        /// The entry's key.
        key: String,
    },
    /// A sum out of range.
    #[error("{key:?} is {number}, and with {delta} it would leave the range of 64 bits")]
    Overflow {
        /// The entry's key.
        key: String,
        /// What it holds.
        number: i64,
        /// What was to be added.
        delta: i64,
    },
}

/// Any of these.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
#[derive(Debug)]
pub enum Trouble {
    /// The attempt has ended.
    Stop(Stop),
    /// The handler is told.
    Refused(Refusal),
    /// The handler uses a handle that it doesn't have: the attempt has ended.
    Broken(wasmtime::Error),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<wasmtime::Error> for Trouble {
    fn from(error: wasmtime::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<ResourceTableError> for Trouble {
    fn from(error: ResourceTableError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<KvProblem> for Trouble {
    fn from(problem: KvProblem) -> Self {
        Self::Stop(problem.into())
    }
}
