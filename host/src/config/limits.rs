//! What an attempt may use, as keys: `[limits]` and `[ceilings]` of `hookbox.toml`
//! and `[limits]` of a manifest have the same ones.
//!
//! ```text
//! built in ◀─ [limits] ◀─ manifest's [limits]     what an attempt gets
//!                 ▲              │
//!             [ceilings] ────────┘ at most        what a manifest may ask for
//! ```
//!
//! A new limit is a field of [`AttemptLimits`] and a line in [`table`].

use serde::Deserialize;

use super::amount::{Amount, Unit};
use super::raw::RawConfig;
use super::resolve::{at_least_one, value};
use super::units::{Size, Span};
use super::{ConfigError, memory};
use crate::sandbox::AttemptLimits;

/// No memory of 32-bit WebAssembly is larger.
const LARGEST_MEMORY: Size = Size(4 << 30);

/// Bounds of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What an attempt may use where its plugin's manifest doesn't say.
    pub attempt: AttemptLimits,
    /// The most that a manifest may ask for: nowhere below `attempt`.
    pub ceilings: AttemptLimits,
    /// Attempts of one plugin at once.
    pub per_plugin: usize,
    /// Plugins of one folder.
    pub plugins: usize,
    /// Attempts of one endpoint at once.
    pub per_endpoint: usize,
    /// Attempts at once in all.
    pub total: usize,
    /// The sum of all running attempts' memory limits, in bytes.
    pub memory_budget: u64,
}

/// Hands each limit of an attempt to the macro `$then`: key, unit, and place in
/// [`AttemptLimits`].
macro_rules! table {
    ($then:ident { $($rest:tt)* }) => {
        $then! {
            { $($rest)* }
            /// Bytes of memories and tables together.
            memory: Size => memory;
            /// CPU time.
            cpu: Span => cpu;
            /// Time in all.
            wall: Span => wall;
            /// Bytes of log.
            log: Size => log;
            /// Lines of log.
            log_lines: usize => log_lines;
            /// Bytes handed to the host in one call or answer.
            host_data: Size => host_data;
            /// Handles of WASI held at once.
            handles: usize => handles;
            /// Random bytes in all.
            random: Size => random;
            /// Direct HTTP requests in all.
            http_requests: usize => http.requests;
            /// Direct HTTP requests, and so connections, at once.
            http_concurrent: usize => http.concurrent;
            /// Bytes of a direct request's body.
            http_request: Size => http.request_body;
            /// Bytes of an answer's body.
            http_response: Size => http.response_body;
            /// Bytes of a set of headers, while it is put together.
            http_fields: Size => http.fields;
            /// Bytes of a value in key-value.
            kv_value: Size => effects.kv_value;
            /// Bytes of keys and values written.
            kv_writes: Size => effects.kv_writes;
            /// Keys read, listed or written.
            kv_keys: usize => effects.kv_keys;
            /// Keys of these that are written.
            kv_written: usize => effects.kv_written;
            /// Bytes of all of the plugin's keys and values.
            kv_total: Size => effects.kv_total;
            /// Outbox requests.
            requests: usize => effects.requests;
            /// Bytes of an outbox request's body.
            request_body: Size => effects.request_body;
        }
    };
}

/// A table of a file, with the keys of all limits and some of its own.
macro_rules! keys {
    (
        {
            $(#[$doc:meta])*
            $name:ident { $($(#[$own_doc:meta])* $own:ident: $own_type:ty,)* }
        }
        $($(#[$key_doc:meta])* $key:ident: $unit:ty => $($place:ident).+;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$key_doc])* pub $key: Option<$unit>,)*
            $($(#[$own_doc])* pub $own: Option<$own_type>,)*
        }

        impl $name {
            /// Lays this over `below`: what is given here counts.
            #[must_use]
            pub fn over(self, below: Self) -> Self {
                Self {
                    $($key: self.$key.or(below.$key),)*
                    $($own: self.$own.or(below.$own),)*
                }
            }

            /// `base` with the limits that are given here in place. `check` sees the
            /// key and value of each, and the value that it has in `bound`.
            ///
            /// # Errors
            /// The first that `check` returns.
            pub fn onto<E>(
                &self,
                base: AttemptLimits,
                bound: &AttemptLimits,
                mut check: impl FnMut(&'static str, Amount, Amount) -> Result<(), E>,
            ) -> Result<AttemptLimits, E> {
                let mut limits = base;
                $(if let Some(given) = self.$key {
                    let of = <$unit as Unit<_>>::of(bound.$($place).+);
                    check(stringify!($key), given.into(), of.into())?;
                    limits.$($place).+ = given.get();
                })*
                Ok(limits)
            }
        }
    };
}

table! { keys {
    /// `[limits]` of `hookbox.toml`
    RawLimits {
        /// Attempts of one plugin at once.
        per_plugin: usize,
        /// Attempts of one endpoint at once.
        per_endpoint: usize,
        /// Attempts at once in all.
        total: usize,
        /// Plugins of one folder.
        plugins: usize,
        /// The sum of all running attempts' memory limits.
        memory_budget: Size,
    }
} }

table! { keys {
    /// `[ceilings]` of `hookbox.toml`
    RawCeilings {}
} }

table! { keys {
    /// `[limits]` of a manifest
    ManifestLimits {
        /// Attempts at once.
        concurrency: usize,
    }
} }

macro_rules! variables {
    ({} $($(#[$doc:meta])* $key:ident: $unit:ident => $($place:ident).+;)*) => {
        /// The same keys for variables: see [`super::variables`].
        pub(super) const VARIABLES: &[(&str, bool)] = &[
            $((concat!("limits.", stringify!($key)), bare!($unit)),)*
            $((concat!("ceilings.", stringify!($key)), bare!($unit)),)*
        ];
    };
}

/// Whether a value of this unit stands without quotes.
macro_rules! bare {
    (usize) => {
        true
    };
    ($other:ident) => {
        false
    };
}

table! { variables {} }

/// `quota` is what the journal lets a plugin keep.
pub(super) fn resolve(raw: &RawConfig, quota: u64) -> Result<Limits, ConfigError> {
    let mut built_in = AttemptLimits::default();
    built_in.effects.kv_total = quota;
    let attempt = raw.limits.onto(built_in, &built_in, |key, given, _| {
        check("limits", key, given, quota)
    })?;
    let ceilings = raw.ceilings.onto(attempt, &attempt, |key, given, least| {
        check("ceilings", key, given, quota)?;
        if given < least {
            return Err(value(
                &format!("ceilings.{key}"),
                &format!(
                    "{given} is below what a plugin gets by default: raise it, or lower `limits.{key}`, which is {least}"
                ),
            ));
        }
        Ok(())
    })?;
    let own = &raw.limits;
    let limits = Limits {
        attempt,
        ceilings,
        per_plugin: at_least_one("limits.per_plugin", own.per_plugin, 8)?,
        per_endpoint: at_least_one("limits.per_endpoint", own.per_endpoint, 64)?,
        plugins: at_least_one("limits.plugins", own.plugins, 64)?,
        total: at_least_one("limits.total", own.total, 256)?,
        memory_budget: own
            .memory_budget
            .map_or_else(|| memory::available() / 2, |size| size.0),
    };
    if limits.memory_budget < ceilings.memory {
        let table = if ceilings.memory > attempt.memory {
            "ceilings"
        } else {
            "limits"
        };
        return Err(value(
            "limits.memory_budget",
            &format!(
                "{} is less than one attempt's `memory` of {}: raise it or lower `{table}.memory`",
                Size(limits.memory_budget),
                Size(ceilings.memory)
            ),
        ));
    }
    Ok(limits)
}

/// What no key of either table may be.
fn check(table: &str, key: &str, given: Amount, quota: u64) -> Result<(), ConfigError> {
    let error = |message: &str| Err(value(&format!("{table}.{key}"), message));
    match (key, given) {
        // No request at all is a sensible wish.
        (_, Amount::Count(_)) => Ok(()),
        _ if given.is_nothing() => error("must be more than nothing"),
        ("memory", Amount::Size(size)) if size > LARGEST_MEMORY => error(&format!(
            "{size} is more than a handler can use: write {LARGEST_MEMORY} at most"
        )),
        ("kv_total", Amount::Size(Size(size))) if size > quota => error(&format!(
            "{given} is above what the journal keeps of a plugin: raise `journal.kv_quota`, which is {}",
            Size(quota)
        )),
        _ => Ok(()),
    }
}
