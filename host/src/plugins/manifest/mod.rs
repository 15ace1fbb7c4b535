//! `NAME.toml` beside `NAME.wasm`: what the operator says about one plugin.
//!
//! The text becomes the [`raw`] manifest, whose types check each value by itself;
//! then what is asked for is checked against the operator's [`bounds`].

mod bounds;
mod raw;
mod secrets;

use std::collections::BTreeMap;
use std::path::Path;

use bounds::Bounds;
use raw::{Ordering, Raw};

use crate::config::{Diagnosis, Span, toml_file};
use crate::dispatch::{BreakerPolicy, RetryPolicy, RollbackPolicy};
use crate::outbound::Grants;
use crate::sandbox::AttemptLimits;
use crate::types::secrets::{NotOffered, SecretName};
use crate::types::{Handlers, Subscription};

/// What a plugin may use. The operator's to raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// For each attempt, where the manifest doesn't say.
    pub attempt: AttemptLimits,
    /// The most that a manifest can ask for.
    pub ceilings: AttemptLimits,
    /// Attempts at once, and the most that a manifest can ask for.
    pub concurrency: usize,
}

/// A checked manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Whether the plugin runs at all.
    pub enabled: bool,
    /// `[config]`, as the plugin reads it.
    pub config: BTreeMap<String, String>,
    /// `[secrets]`: the plugin's key, and the operator's name. Which of them it
    /// gets is for [`Manifest::given`] to say.
    pub secrets: BTreeMap<String, SecretName>,
    /// `[events] types`
    pub types: Option<Vec<String>>,
    /// `[events] agents`
    pub agents: Option<Vec<String>>,
    /// What an attempt may use.
    pub limits: AttemptLimits,
    /// Attempts at once.
    pub concurrency: usize,
    /// Whether sessions are kept in order.
    pub ordered: bool,
    /// `[http] allow`
    pub grants: Grants,
    /// `[retry]`
    pub retry: RetryPolicy,
    /// `[breaker]`
    pub breaker: BreakerPolicy,
    /// `[rollback]`
    pub rollback: RollbackPolicy,
    /// `[rollback] smoke`: the body of an event.
    pub smoke: Option<String>,
}

/// Why a manifest is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is no TOML, or has unknown keys or values.
    #[error(transparent)]
    Toml(#[from] Diagnosis),
    /// It isn't text.
    #[error("{0} is not UTF-8")]
    NotText(String),
    /// A limit above the operator's ceiling.
    #[error(
        "{file}: [limits] {key} = {asked} is above the operator's ceiling of {ceiling}: lower it, or have the operator raise it under [ceilings] in hookbox.toml"
    )]
    AboveCeiling {
        /// The manifest.
        file: String,
        /// Which limit.
        key: &'static str,
        /// What the manifest asks for.
        asked: String,
        /// What there is at most.
        ceiling: String,
    },
    /// More attempts at once than the operator lets a plugin have.
    #[error(
        "{file}: [limits] concurrency = {asked} is above the operator's {ceiling}: lower it, or have the operator raise `per_plugin` under [limits] in hookbox.toml"
    )]
    AbovePerPlugin {
        /// The manifest.
        file: String,
        /// What the manifest asks for.
        asked: usize,
        /// What there is at most.
        ceiling: usize,
    },
    /// A limit of nothing.
    #[error("{file}: [limits] {key} must be more than nothing")]
    Zero {
        /// The manifest.
        file: String,
        /// Which limit.
        key: &'static str,
    },
    /// A key that is configured in two ways.
    #[error("{file}: {key:?} is in [config] and in [secrets]: leave it out of one of them")]
    Twice {
        /// The manifest.
        file: String,
        /// Which key.
        key: String,
    },
    /// More secrets than a plugin has.
    #[error("{file}: [secrets] has {asked} keys, and a plugin has at most {limit}")]
    Secrets {
        /// The manifest.
        file: String,
        /// The limit.
        limit: usize,
        /// How many there are.
        asked: usize,
    },
    /// A secret that the operator doesn't offer to the plugin.
    #[error("{file}: [secrets] {key:?}: {why}")]
    NotOffered {
        /// The manifest.
        file: String,
        /// Which key.
        key: String,
        /// Why not, and what the operator does about it.
        why: NotOffered,
    },
    /// The longest wait is shorter than the first.
    #[error(
        "{file}: [{table}] {key} = {first} is above {longest_key} = {longest}: raise {longest_key}"
    )]
    Order {
        /// The manifest.
        file: String,
        /// Where.
        table: &'static str,
        /// The first wait's key.
        key: &'static str,
        /// The first wait.
        first: Span,
        /// The longest wait's key.
        longest_key: &'static str,
        /// The longest wait.
        longest: Span,
    },
    /// More failures than are watched for.
    #[error(
        "{file}: [rollback] failures = {failures} is above watch = {watch}: raise watch, or nothing is rolled back"
    )]
    Watch {
        /// The manifest.
        file: String,
        /// How many failures it takes.
        failures: u32,
        /// How many attempts are watched.
        watch: u32,
    },
}

impl Manifest {
    /// What holds where there is no manifest.
    #[must_use]
    pub fn defaults(policy: &Policy) -> Self {
        Self {
            enabled: true,
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            types: None,
            agents: None,
            limits: policy.attempt,
            concurrency: policy.concurrency,
            ordered: true,
            grants: Grants::default(),
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy::default(),
            rollback: RollbackPolicy::default(),
            smoke: None,
        }
    }

    /// Reads a manifest; `file` names it in errors.
    ///
    /// # Errors
    /// With the file, and the line and key where there is one.
    pub fn parse(text: &[u8], file: &Path, policy: &Policy) -> Result<Self, ManifestError> {
        let name = || file.display().to_string();
        let text = std::str::from_utf8(text).map_err(|_| ManifestError::NotText(name()))?;
        let raw: Raw = toml_file::parse(text, file)?;
        let bounds = Bounds {
            file: &name(),
            policy,
        };
        secrets::check(bounds.file, &raw.config, &raw.secrets)?;
        Ok(Self {
            enabled: raw.enabled.unwrap_or(true),
            config: raw
                .config
                .into_iter()
                .map(|(key, value)| (key, value.text()))
                .collect(),
            secrets: raw.secrets,
            types: raw.events.types,
            agents: raw.events.agents,
            limits: bounds.attempt(&raw.limits)?,
            concurrency: bounds.concurrency(&raw.limits)?,
            ordered: matches!(raw.ordering, Ordering::Session),
            grants: raw.http.allow,
            retry: raw.retry.policy(bounds.file)?,
            breaker: raw.breaker.policy(bounds.file)?,
            rollback: raw.rollback.policy(bounds.file)?,
            smoke: raw.rollback.smoke,
        })
    }

    /// Which events the plugin is for, given the handlers it exports.
    #[must_use]
    pub fn subscription(&self, handlers: Option<Handlers>) -> Subscription {
        Subscription {
            handlers,
            types: self.types.clone(),
            agents: self.agents.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
