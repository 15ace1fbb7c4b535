//! `hookbox confined`, hidden: confines itself as `hookbox serve` would with the
//! same settings, and tries what must and must not work. One line of JSON, a
//! [`Report`](crate::confine::probe::Report).

use super::operator::print_json;
use super::settings::Settings;
use crate::config::{self, Config, ConfigError};
use crate::confine::{ConfineError, probe};
use crate::plugins::compile::own_program;
use crate::service;

/// The settings of the host that is meant.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    settings: Settings,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It was required and isn't there.
    #[error(transparent)]
    Confine(#[from] ConfineError),
}

/// Tries and reports.
///
/// # Errors
/// See [`ProbeError`].
pub(super) fn run(args: &Args) -> Result<(), ProbeError> {
    let config = Config::load(args.settings.overrides(), &config::environment)?;
    let report = probe::run(config.confine, &service::needs(&config), &own_program())?;
    print_json(&serde_json::json!(report));
    Ok(())
}
