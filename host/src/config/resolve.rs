//! From what was typed to what counts: defaults, secrets, and the checks that
//! need more than one key.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use axum::http::HeaderName;

use super::raw::{RawAuth, RawConfig, RawIngest, RawScheme};
use super::{
    AdminConfig, Config, ConfigError, SecretRef, Size, Span, compile, endpoints, limits, outbound,
};
use crate::ingest::Bounds;
use crate::ingest::auth::Scheme;
use crate::ingest::serve::ServeOptions;
use crate::journal::JournalOptions;
use crate::types::Secret;

pub(super) type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) fn resolve(raw: RawConfig, env: Env<'_>) -> Result<Config, ConfigError> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listen = raw.listen.unwrap_or_else(|| local(3000));
    let endpoints = endpoints::resolve(&raw, listen, env)?;
    let token = raw
        .admin
        .token
        .as_ref()
        .map(|token| fetch("admin.token", token, env))
        .transpose()?;
    let admin = AdminConfig {
        listen: raw.admin.listen.unwrap_or_else(|| local(3001)),
        token,
    };
    if admin.token.is_none() && !admin.listen.ip().is_loopback() {
        return Err(value(
            "admin.listen",
            &format!(
                "{} can be reached from other machines: set `token` in `[admin]`, or listen on 127.0.0.1",
                admin.listen
            ),
        ));
    }
    let (bounds, serve) = ingest(&raw.ingest)?;
    let journal = journal(&raw);
    let limits = limits::resolve(&raw, journal.kv_quota)?;
    let data = raw.data();
    let compile = compile::resolve(&raw.compile)?;
    let outbound = outbound::resolve(raw.outbound, serve.grace)?;
    Ok(Config {
        listen,
        data,
        admin,
        confine: raw.host.confine.unwrap_or_default(),
        endpoints,
        bounds,
        serve,
        journal,
        retention: raw.journal.retention.map_or(WEEK, |span| span.0),
        retention_size: raw.journal.retention_size.map(|size| size.0),
        limits,
        compile,
        outbound,
    })
}

pub(super) fn value(key: &str, message: &str) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        message: message.to_owned(),
    }
}

pub(super) fn fetch(key: &str, secret: &SecretRef, env: Env<'_>) -> Result<Secret, ConfigError> {
    secret
        .resolve(Path::new(""), env)
        .map_err(|source| ConfigError::Secret {
            key: key.to_owned(),
            source,
        })
}

/// The entries of the list `list`.
pub(super) fn schemes(
    list: &str,
    entries: &[RawAuth],
    env: Env<'_>,
) -> Result<Vec<Scheme>, ConfigError> {
    let scheme = |(at, entry): (usize, &RawAuth)| {
        let key = |field: &str| format!("{list}[{at}].{field}");
        let secret = fetch(&key("secret"), &entry.secret, env)?;
        match (entry.scheme, &entry.name) {
            (RawScheme::Header, None) => Err(value(
                &key("name"),
                "an entry of the type \"header\" needs the header's name",
            )),
            (RawScheme::Header, Some(name)) => {
                let name = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| value(&key("name"), &format!("{name:?} isn't a header's name")))?;
                Ok(Scheme::Header {
                    name,
                    value: secret,
                })
            }
            (_, Some(_)) => Err(value(
                &key("name"),
                "only entries of the type \"header\" have a name: the provider fixes the others' headers",
            )),
            (RawScheme::Hmac, None) => Ok(Scheme::Hmac { secret }),
            (RawScheme::HmacTimestamped, None) => Ok(Scheme::HmacTimestamped { secret }),
        }
    };
    entries.iter().enumerate().map(scheme).collect()
}

fn ingest(raw: &RawIngest) -> Result<(Bounds, ServeOptions), ConfigError> {
    let bounds = Bounds::default();
    let serve = ServeOptions::default();
    let span = |given: Option<Span>, default| given.map_or(default, |span| span.0);
    Ok((
        Bounds {
            max_body: raw.max_body.map_or(bounds.max_body, Size::bytes),
            max_in_flight: at_least_one(
                "ingest.max_in_flight",
                raw.max_in_flight,
                bounds.max_in_flight,
            )?,
            body_timeout: span(raw.body_timeout, bounds.body_timeout),
        },
        ServeOptions {
            max_connections: at_least_one(
                "ingest.max_connections",
                raw.max_connections,
                serve.max_connections,
            )?,
            header_timeout: span(raw.header_timeout, serve.header_timeout),
            grace: span(raw.shutdown_grace, serve.grace),
        },
    ))
}

pub(super) fn at_least_one(
    key: &str,
    given: Option<usize>,
    default: usize,
) -> Result<usize, ConfigError> {
    match given.unwrap_or(default) {
        0 => Err(value(key, "must be at least 1")),
        number => Ok(number),
    }
}

fn journal(raw: &RawConfig) -> JournalOptions {
    let default = JournalOptions::default();
    let given = &raw.journal;
    let windows = raw.endpoints.iter().filter_map(|entry| {
        let window = entry.dedupe_window?;
        Some((entry.name.clone(), window.0))
    });
    JournalOptions {
        dedupe_window: given
            .dedupe_window
            .map_or(default.dedupe_window, |span| span.0),
        dedupe_windows: windows.collect(),
        parked_for: given.parked_for.map_or(default.parked_for, |span| span.0),
        kv_quota: given.kv_quota.map_or(default.kv_quota, |size| size.0),
        counters_quota: given.counters_quota.unwrap_or(default.counters_quota),
        outbox_quota: given
            .outbox_quota
            .map_or(default.outbox_quota, |size| size.0),
    }
}
