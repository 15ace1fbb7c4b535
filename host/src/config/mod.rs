//! The configuration: file, variables and flags, resolved into one value.
//!
//! ```text
//! hookbox.toml ─▶ RawConfig ◀─ HOOKBOX_… variables ◀─ flags
//!                     │ defaults, secrets fetched, checks
//!                     ▼
//!                  Config
//! ```
//!
//! Paths in the file start at the file's folder; those of variables and flags at
//! the current one.

mod amount;
mod compile;
mod endpoints;
mod limits;
mod memory;
mod outbound;
mod raw;
mod resolve;
mod secret;
mod secrets;
#[cfg(test)]
mod tests;
pub mod toml_file;
mod units;
mod variables;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::confine;
use crate::ingest::Bounds;
use crate::ingest::serve::ServeOptions;
use crate::journal::JournalOptions;
use crate::types::{Redactor, Secret};

pub use amount::Amount;
pub use compile::CompileConfig;
pub use endpoints::EndpointConfig;
pub use limits::{Limits, ManifestLimits, RawCeilings, RawLimits};
pub use memory::available as available_memory;
pub use outbound::OutboundConfig;
pub use raw::{
    RawAdmin, RawAuth, RawCompile, RawConfig, RawEndpoint, RawHost, RawIngest, RawJournal,
    RawOutbound, RawScheme,
};
pub use secret::{SecretError, SecretRef};
pub use secrets::{RawSecret, RawSecrets};
pub use toml_file::Diagnosis;
pub use units::{Size, Span, UnitError};

/// The file that is read if there is one and no other is named.
pub const DEFAULT_FILE: &str = "hookbox.toml";

/// Everything that is decided before the start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where webhooks come in.
    pub listen: SocketAddr,
    /// What comes in where, and for which plugins: at least one.
    pub endpoints: Vec<EndpointConfig>,
    /// The store's folder.
    pub data: PathBuf,
    /// The operator's listener.
    pub admin: AdminConfig,
    /// Whether the host gives up what it doesn't need.
    pub confine: confine::Mode,
    /// Bounds of requests.
    pub bounds: Bounds,
    /// Bounds of connections, of both listeners.
    pub serve: ServeOptions,
    /// Dedupe and parking.
    pub journal: JournalOptions,
    /// For how long finished events are kept.
    pub retention: Duration,
    /// How many bytes the store may have before the oldest finished events go.
    pub retention_size: Option<u64>,
    /// Bounds of attempts.
    pub limits: Limits,
    /// Bounds of compiling.
    pub compile: CompileConfig,
    /// How requests of plugins leave the host.
    pub outbound: OutboundConfig,
}

/// The operator's listener.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Its address.
    pub listen: SocketAddr,
    /// What its clients must know; none on loopback only.
    pub token: Option<Secret>,
}

/// What the command line overrides.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`: must exist if given.
    pub config: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--plugins`
    pub plugins: Option<PathBuf>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--admin`
    pub admin: Option<SocketAddr>,
    /// `--allow-open`
    pub allow_open: bool,
    /// `--confine`
    pub confine: Option<confine::Mode>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{path} can't be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is wrong somewhere.
    #[error("{0}")]
    File(#[from] Diagnosis),
    /// A variable is wrong.
    #[error("the environment variable {name}: {message}")]
    Variable {
        /// Which.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// A value doesn't go with the others.
    #[error("`{key}`: {message}")]
    Value {
        /// Which key.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// A secret can't be fetched.
    #[error("`{key}`: {source}")]
    Secret {
        /// Which key.
        key: String,
        /// Why.
        source: SecretError,
    },
}

impl Config {
    /// Reads the file (`--config`, else `HOOKBOX_CONFIG`, else `hookbox.toml` if
    /// there is one), lays variables and flags over it, and resolves it all.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn load(
        overrides: Overrides,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        resolve::resolve(Self::layers(overrides, env)?, env)
    }

    /// Takes all secrets of plugins out of texts.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let endpoints = self.endpoints.iter();
        Redactor::new(endpoints.flat_map(|endpoint| endpoint.secrets.forms()))
    }

    /// File, variables and flags as one, with nothing resolved: for who needs a
    /// part of it only, and must not fail over a secret that is none of theirs.
    ///
    /// # Errors
    /// When the file or a variable can't be read.
    pub fn layers(
        overrides: Overrides,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<RawConfig, ConfigError> {
        let named = overrides
            .config
            .clone()
            .or_else(|| env("HOOKBOX_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => Self::read_text(&text, &path)?,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                RawConfig::default()
            }
            Err(source) => return Err(ConfigError::Read { path, source }),
        };
        let variables = variables::read(env)?;
        let flags = RawConfig {
            listen: overrides.listen,
            plugins: overrides.plugins,
            data: overrides.data,
            allow_open: overrides.allow_open.then_some(true),
            admin: RawAdmin {
                listen: overrides.admin,
                token: None,
            },
            host: RawHost {
                confine: overrides.confine,
            },
            ..RawConfig::default()
        };
        Ok(flags.over(variables.over(file)))
    }

    fn read_text(text: &str, path: &Path) -> Result<RawConfig, ConfigError> {
        let mut raw: RawConfig = toml_file::parse(text, path)?;
        raw.rebase(path.parent().unwrap_or(Path::new("")));
        Ok(raw)
    }
}

/// The process's environment, for [`Config::load`].
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
