//! `[outbound]`: where requests of plugins may go, and how the outbox sends them.

use std::path::PathBuf;
use std::time::Duration;

use super::raw::RawOutbound;
use super::resolve::{at_least_one, value};
use super::{ConfigError, Span};
use crate::outbound::AllowedNets;
use crate::outbox;

/// How requests leave the host.
#[derive(Clone, Debug)]
pub struct OutboundConfig {
    /// Networks that are open besides public addresses.
    pub allowed: AllowedNets,
    /// Certificates of authorities to trust besides Mozilla's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// How long one exchange may take.
    pub timeout: Duration,
    /// How the outbox sends.
    pub outbox: outbox::Options,
}

pub(super) fn resolve(raw: RawOutbound, grace: Duration) -> Result<OutboundConfig, ConfigError> {
    let default = outbox::Options::default();
    let span = |key: &str, given: Option<Span>, default| match given {
        Some(Span(Duration::ZERO)) => Err(value(key, "must be more than nothing")),
        given => Ok(given.map_or(default, |span| span.0)),
    };
    let attempts = match raw.attempts.unwrap_or(default.retry.attempts) {
        0 => return Err(value("outbound.attempts", "must be at least 1")),
        attempts => attempts,
    };
    Ok(OutboundConfig {
        allowed: AllowedNets::parse(&raw.allow_private.unwrap_or_default())
            .map_err(|error| value("outbound.allow_private", &error.to_string()))?,
        ca_file: raw.ca_file,
        timeout: span("outbound.timeout", raw.timeout, Duration::from_secs(30))?,
        outbox: outbox::Options {
            per_plugin: at_least_one("outbound.per_plugin", raw.per_plugin, default.per_plugin)?,
            total: at_least_one("outbound.total", raw.total, default.total)?,
            retry: outbox::retry::RetryPolicy {
                max: span("outbound.retry_max", raw.retry_max, default.retry.max)?,
                attempts,
                ..default.retry
            },
            grace,
            ..default
        },
    })
}
