//! The manifest as typed. What a value may be by itself is checked here, so that
//! errors have a line.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};

use super::ManifestError;
use crate::config::{ManifestLimits, Span};
use crate::dispatch::{BreakerPolicy, RetryPolicy, RollbackPolicy};
use crate::outbound::Grants;
use crate::types::envelope;
use crate::types::secrets::SecretName;

/// No delivery has more attempts.
const MAX_ATTEMPTS: u32 = 100;

/// No breaker waits for more failures.
const MAX_FAILURES: u32 = 100_000;

/// No version is watched for longer.
const MAX_WATCH: u32 = 10_000;

/// No list has more entries: each event is compared with all types and agents, each
/// request with all of `allow`.
const MAX_ENTRIES: usize = 1_000;

/// Nothing waits longer.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub(super) enabled: Option<bool>,
    pub(super) ordering: Ordering,
    pub(super) config: BTreeMap<String, ConfigValue>,
    pub(super) secrets: BTreeMap<String, SecretName>,
    pub(super) events: RawEvents,
    pub(super) limits: ManifestLimits,
    pub(super) http: RawHttp,
    pub(super) retry: RawRetry,
    pub(super) breaker: RawBreaker,
    pub(super) rollback: RawRollback,
}

#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ordering {
    #[default]
    Session,
    None,
}

/// Plugins read texts; operators may write numbers and truths as such.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged, expecting = "a text, a number or true/false")]
pub(super) enum ConfigValue {
    Text(String),
    Integer(i64),
    Number(f64),
    Truth(bool),
}

impl ConfigValue {
    pub(super) fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Integer(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawEvents {
    #[serde(deserialize_with = "filter")]
    pub(super) types: Option<Vec<String>>,
    #[serde(deserialize_with = "filter")]
    pub(super) agents: Option<Vec<String>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHttp {
    #[serde(deserialize_with = "grants")]
    pub(super) allow: Grants,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRetry {
    #[serde(deserialize_with = "attempts")]
    attempts: Option<u32>,
    #[serde(deserialize_with = "wait")]
    base: Option<Duration>,
    #[serde(deserialize_with = "wait")]
    max: Option<Duration>,
    #[serde(deserialize_with = "attempts")]
    traps: Option<u32>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBreaker {
    #[serde(deserialize_with = "failures")]
    failures: Option<u32>,
    #[serde(deserialize_with = "wait")]
    pause: Option<Duration>,
    #[serde(deserialize_with = "wait")]
    max_pause: Option<Duration>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRollback {
    #[serde(deserialize_with = "watch")]
    watch: Option<u32>,
    #[serde(deserialize_with = "rollback_failures")]
    failures: Option<u32>,
    #[serde(deserialize_with = "smoke")]
    pub(super) smoke: Option<String>,
}

impl RawRetry {
    /// What is said, and the defaults for the rest.
    pub(super) fn policy(&self, file: &str) -> Result<RetryPolicy, ManifestError> {
        let default = RetryPolicy::default();
        let policy = RetryPolicy {
            base: self.base.unwrap_or(default.base),
            max: self.max.unwrap_or(default.max),
            attempts: self.attempts.unwrap_or(default.attempts),
            traps: self.traps.unwrap_or(default.traps),
        };
        in_order(file, "retry", ("base", policy.base), ("max", policy.max))?;
        Ok(policy)
    }
}

impl RawBreaker {
    /// What is said, and the defaults for the rest.
    pub(super) fn policy(&self, file: &str) -> Result<BreakerPolicy, ManifestError> {
        let default = BreakerPolicy::default();
        let policy = BreakerPolicy {
            failures: self.failures.unwrap_or(default.failures),
            pause: self.pause.unwrap_or(default.pause),
            max_pause: self.max_pause.unwrap_or(default.max_pause),
        };
        let longest = ("max_pause", policy.max_pause);
        in_order(file, "breaker", ("pause", policy.pause), longest)?;
        Ok(policy)
    }
}

impl RawRollback {
    /// What is said, and the defaults for the rest.
    pub(super) fn policy(&self, file: &str) -> Result<RollbackPolicy, ManifestError> {
        let default = RollbackPolicy::default();
        let failures = self.failures.unwrap_or(default.failures);
        let watch = self.watch.unwrap_or(default.watch.max(failures));
        if failures > watch {
            return Err(ManifestError::Watch {
                file: file.to_owned(),
                failures,
                watch,
            });
        }
        Ok(RollbackPolicy { watch, failures })
    }
}

fn in_order(
    file: &str,
    table: &'static str,
    (key, first): (&'static str, Duration),
    (longest_key, longest): (&'static str, Duration),
) -> Result<(), ManifestError> {
    if first <= longest {
        return Ok(());
    }
    Err(ManifestError::Order {
        file: file.to_owned(),
        table,
        key,
        first: Span(first),
        longest_key,
        longest: Span(longest),
    })
}

fn attempts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    number(deserializer, 1, MAX_ATTEMPTS)
}

fn failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    number(deserializer, 0, MAX_FAILURES)
}

fn watch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    number(deserializer, 1, MAX_WATCH)
}

fn rollback_failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    number(deserializer, 0, MAX_WATCH)
}

/// The body of an event that ingest would take.
fn smoke<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let body = String::deserialize(deserializer)?;
    match envelope::parse(body.as_bytes()) {
        Ok(_) => Ok(Some(body)),
        Err(problem) => Err(Error::custom(format!(
            "it is to be the body of an event: {problem}"
        ))),
    }
}

fn number<'de, D>(deserializer: D, least: u32, most: u32) -> Result<Option<u32>, D::Error>
where
    D: Deserializer<'de>,
{
    let asked = i64::deserialize(deserializer)?;
    let fits = u32::try_from(asked).ok();
    match fits.filter(|number| (least..=most).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(Error::custom(format!(
            "{asked} doesn't do: write a number from {least} to {most}"
        ))),
    }
}

fn wait<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Span(asked) = Span::deserialize(deserializer)?;
    if asked.is_zero() || asked > DAY {
        let asked = Span(asked);
        return Err(Error::custom(format!(
            "{asked} doesn't do: write a duration from 1ms to 24h"
        )));
    }
    Ok(Some(asked))
}

fn grants<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Grants, D::Error> {
    let entries = list(deserializer)?;
    Grants::parse(&entries).map_err(Error::custom)
}

fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    list(deserializer).map(Some)
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let entries = Vec::<String>::deserialize(deserializer)?;
    match entries.len() {
        0..=MAX_ENTRIES => Ok(entries),
        asked => Err(Error::custom(format!(
            "{asked} entries are too many: there may be {MAX_ENTRIES}"
        ))),
    }
}
