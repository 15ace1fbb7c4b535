//! The configuration and its secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::report::Report;
use crate::cli::settings::Settings;
use crate::config::{Config, ConfigError, SecretRef};
use crate::outbound::connect::read_ca_file;

const TOPIC: &str = "configuration";

/// The configuration, if it is right.
pub(super) fn look(
    settings: &Settings,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report,
) -> Option<Config> {
    let raw = match Config::layers(settings.overrides(), env) {
        Ok(raw) => raw,
        Err(error) => {
            report.problem(TOPIC, error.to_string(), None);
            return None;
        }
    };
    // Each of them: the host itself stops at the first that is missing.
    for (key, secret) in raw.secrets() {
        look_at_secret(&key, secret, env, report);
    }
    match Config::load(settings.overrides(), env) {
        Ok(config) => {
            report.ok(TOPIC, summary(&config));
            entrances(&config, report);
            authorities(&config, report);
            Some(config)
        }
        // Told above.
        Err(ConfigError::Secret { .. }) => None,
        Err(error) => {
            report.problem(TOPIC, error.to_string(), None);
            None
        }
    }
}

fn look_at_secret(
    key: &str,
    secret: &SecretRef,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report,
) {
    let topic = format!("secret {key}");
    if let Err(error) = secret.resolve(Path::new(""), env) {
        report.problem(&topic, error.to_string(), None);
        return;
    }
    let SecretRef::File(path) = secret else {
        report.ok(&topic, "is there");
        return;
    };
    let mode = path.metadata().map_or(0, |it| it.permissions().mode());
    if mode & 0o007 == 0 {
        report.ok(&topic, "is there");
    } else {
        let advice = format!("chmod o= {}", path.display());
        report.warning(
            &topic,
            format!("every user of this machine can use {}", path.display()),
            Some(&advice),
        );
    }
}

fn summary(config: &Config) -> String {
    let paths = config.endpoints.iter().map(|endpoint| &endpoint.path[..]);
    format!(
        "webhooks at {} ({}), admin at {}",
        config.listen,
        paths.collect::<Vec<_>>().join(", "),
        config.admin.listen
    )
}

/// The host doesn't start without them.
fn authorities(config: &Config, report: &mut Report) {
    const TOPIC: &str = "outbound.ca_file";
    let Some(file) = &config.outbound.ca_file else {
        return;
    };
    match read_ca_file(file) {
        Ok(found) => report.ok(TOPIC, format!("{} in {}", found.len(), file.display())),
        Err(error) => report.problem(
            TOPIC,
            error.to_string(),
            Some("name a file with certificates in PEM, or leave the key out"),
        ),
    }
}

fn entrances(config: &Config, report: &mut Report) {
    for endpoint in &config.endpoints {
        let topic = format!("endpoint {}", endpoint.name);
        match endpoint.auth.len() {
            0 if config.listen.ip().is_loopback() => {
                report.ok(
                    &topic,
                    "no authentication: everyone on this machine can post",
                );
            }
            0 => report.warning(
                &topic,
                "no authentication: everyone who reaches the address can post",
                Some("configure an `auth` entry for it"),
            ),
            1 => report.ok(&topic, "1 way to authenticate"),
            many => report.ok(&topic, format!("{many} ways to authenticate")),
        }
    }
}
