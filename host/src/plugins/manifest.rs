//! `NAME.toml` beside `NAME.wasm`: what the operator says about one plugin.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::config::{Diagnosis, Size, Span, toml_file};
use crate::outbound::Grants;
use crate::sandbox::AttemptLimits;
use crate::types::{Handlers, Subscription};

/// What a plugin may use: what it gets without a manifest, and the most that a
/// manifest can ask for. The operator's to raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// For each attempt.
    pub attempt: AttemptLimits,
    /// Attempts at once.
    pub concurrency: usize,
}

/// A checked manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Whether the plugin runs at all.
    pub enabled: bool,
    /// `[config]`, as the plugin reads it.
    pub config: BTreeMap<String, String>,
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
    #[error("{file}: [limits] {key} = {asked} is above the operator's ceiling of {ceiling}")]
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
    /// A limit of nothing.
    #[error("{file}: [limits] {key} must be more than nothing")]
    Zero {
        /// The manifest.
        file: String,
        /// Which limit.
        key: &'static str,
    },
}

/// The manifest as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    enabled: Option<bool>,
    ordering: Ordering,
    config: BTreeMap<String, ConfigValue>,
    events: RawEvents,
    limits: RawLimits,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ordering {
    #[default]
    Session,
    None,
}

/// Plugins read texts; operators may write numbers and truths as such.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a text, a number or true/false")]
enum ConfigValue {
    Text(String),
    Integer(i64),
    Number(f64),
    Truth(bool),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawEvents {
    types: Option<Vec<String>>,
    agents: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLimits {
    memory: Option<Size>,
    cpu: Option<Span>,
    wall: Option<Span>,
    log: Option<Size>,
    concurrency: Option<usize>,
}

impl Manifest {
    /// What holds where there is no manifest.
    #[must_use]
    pub fn defaults(policy: &Policy) -> Self {
        Self {
            enabled: true,
            config: BTreeMap::new(),
            types: None,
            agents: None,
            limits: policy.attempt,
            concurrency: policy.concurrency,
            ordered: true,
            grants: Grants::default(),
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
        let limits = raw.limits;
        Ok(Self {
            enabled: raw.enabled.unwrap_or(true),
            config: raw
                .config
                .into_iter()
                .map(|(key, value)| (key, value.text()))
                .collect(),
            types: raw.events.types,
            agents: raw.events.agents,
            limits: AttemptLimits {
                memory: bounds
                    .pick("memory", limits.memory, |of| Size(of.attempt.memory))?
                    .0,
                cpu: bounds.pick("cpu", limits.cpu, |of| Span(of.attempt.cpu))?.0,
                wall: bounds
                    .pick("wall", limits.wall, |of| Span(of.attempt.wall))?
                    .0,
                log: usize::try_from(
                    bounds
                        .pick("log", limits.log, |of| Size(of.attempt.log as u64))?
                        .0,
                )
                .unwrap_or(usize::MAX),
                effects: policy.attempt.effects,
            },
            concurrency: bounds.pick("concurrency", limits.concurrency, |of| of.concurrency)?,
            ordered: matches!(raw.ordering, Ordering::Session),
            grants: Grants::default(),
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

impl ConfigValue {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Integer(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

/// A value of `[limits]`.
trait Limit: PartialOrd + std::fmt::Display {
    fn is_nothing(&self) -> bool;
}

impl Limit for Size {
    fn is_nothing(&self) -> bool {
        self.0 == 0
    }
}

impl Limit for Span {
    fn is_nothing(&self) -> bool {
        self.0.is_zero()
    }
}

impl Limit for usize {
    fn is_nothing(&self) -> bool {
        *self == 0
    }
}

/// Checks limits against the operator's.
struct Bounds<'a> {
    file: &'a str,
    policy: &'a Policy,
}

impl Bounds<'_> {
    fn pick<T>(
        &self,
        key: &'static str,
        asked: Option<T>,
        of: fn(&Policy) -> T,
    ) -> Result<T, ManifestError>
    where
        T: Limit,
    {
        let Some(asked) = asked else {
            return Ok(of(self.policy));
        };
        let ceiling = of(self.policy);
        if asked > ceiling {
            return Err(ManifestError::AboveCeiling {
                file: self.file.to_owned(),
                key,
                asked: asked.to_string(),
                ceiling: ceiling.to_string(),
            });
        }
        if asked.is_nothing() {
            return Err(ManifestError::Zero {
                file: self.file.to_owned(),
                key,
            });
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn policy() -> Policy {
        Policy {
            attempt: AttemptLimits::default(),
            concurrency: 8,
        }
    }

    fn parse(text: &str) -> Result<Manifest, String> {
        let file = Path::new("greeter.toml");
        Manifest::parse(text.as_bytes(), file, &policy()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_manifest_is_the_default() {
        assert_eq!(parse(""), Ok(Manifest::defaults(&policy())));
    }

    #[test]
    fn a_whole_manifest() {
        let manifest = parse(
            r#"
            ordering = "none"
            [config]
            greeting = "Hello"
            tries = 3
            loud = true
            [events]
            types = ["chat.push"]
            [limits]
            memory = "32MiB"
            cpu = "200ms"
            concurrency = 2
            "#,
        )
        .expect("it is good");
        assert_eq!(manifest.config["tries"], "3");
        assert_eq!(manifest.config["loud"], "true");
        assert_eq!(manifest.limits.memory, 32 << 20);
        assert_eq!(manifest.limits.cpu, Duration::from_millis(200));
        assert_eq!(manifest.concurrency, 2);
        assert!(!manifest.ordered);
        assert_eq!(
            manifest.types.as_deref(),
            Some(&["chat.push".to_owned()][..])
        );
    }

    #[test]
    fn a_limit_above_the_ceiling_names_both() {
        let error = parse("[limits]\nmemory = \"1GiB\"").expect_err("too much");
        assert!(error.contains("memory") && error.contains("64"), "{error}");
    }

    #[test]
    fn an_unknown_key_names_the_line_and_the_nearest_key() {
        let error = parse("\n[limits]\nmemroy = \"1MiB\"").expect_err("unknown");
        assert!(error.contains('3') && error.contains("memory"), "{error}");
    }

    #[test]
    fn a_limit_of_nothing_is_refused() {
        assert!(parse("[limits]\nconcurrency = 0").is_err());
    }
}
