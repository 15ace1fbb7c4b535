//! `HOOKBOX_…` variables: each names a key, and is read as the file would be.

use std::path::Path;

use super::ConfigError;
use super::limits;
use super::raw::RawConfig;
use super::toml_file;

/// The keys that a variable can set. The flag tells whether the value stands
/// without quotes in TOML; [`limits::VARIABLES`] has more. `ingest.max_body` is
/// `HOOKBOX_INGEST_MAX_BODY`. Only `[secrets]` and `[[endpoint]]` have none: tables
/// of names that the operator chooses are no variables.
pub(super) const KEYS: &[(&str, bool)] = &[
    ("listen", false),
    ("plugins", false),
    ("data", false),
    ("allow_open", true),
    ("admin.listen", false),
    ("admin.token", false),
    ("host.confine", false),
    ("ingest.max_body", false),
    ("ingest.max_in_flight", true),
    ("ingest.max_connections", true),
    ("ingest.body_timeout", false),
    ("ingest.header_timeout", false),
    ("ingest.shutdown_grace", false),
    ("journal.dedupe_window", false),
    ("journal.parked_for", false),
    ("journal.retention", false),
    ("journal.retention_size", false),
    ("journal.kv_quota", false),
    ("journal.counters_quota", true),
    ("journal.outbox_quota", false),
    ("limits.per_plugin", true),
    ("limits.per_endpoint", true),
    ("limits.total", true),
    ("limits.plugins", true),
    ("limits.memory_budget", false),
    ("compile.memory", false),
    ("compile.cpu", false),
    ("compile.wall", false),
    ("compile.cache", false),
    ("outbound.allow_private", true),
    ("outbound.ca_file", false),
    ("outbound.timeout", false),
    ("outbound.attempts", true),
    ("outbound.retry_max", false),
    ("outbound.per_plugin", true),
    ("outbound.total", true),
    ("auth", true),
];

/// The variables as a layer over the file. `HOOKBOX_AUTH` takes TOML:
/// `[{type = "hmac", secret = "env:NAME"}]`.
pub(super) fn read(env: &dyn Fn(&str) -> Option<String>) -> Result<RawConfig, ConfigError> {
    let mut layer = RawConfig::default();
    for &(key, bare) in KEYS.iter().chain(limits::VARIABLES) {
        let name = format!("HOOKBOX_{}", key.to_uppercase().replace('.', "_"));
        let Some(value) = env(&name) else { continue };
        let value = if bare {
            value
        } else {
            toml::Value::String(value).to_string()
        };
        let line = format!("{key} = {value}");
        let one: RawConfig = toml_file::parse(&line, Path::new(&name)).map_err(|diagnosis| {
            ConfigError::Variable {
                name,
                message: diagnosis.message,
            }
        })?;
        layer = one.over(layer);
    }
    Ok(layer)
}
