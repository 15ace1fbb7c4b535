//! `hookbox serve`: the host.

use std::io;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::logging;
use super::settings::Settings;
use crate::config::{self, Config, ConfigError};
use crate::confine::{self, ConfineError, Mode};
use crate::service::{self, Service, ServiceError};

const EXAMPLES: &str = "\
Examples:
  hookbox serve                                 ./plugins, ./data, http://127.0.0.1:3000/webhook
  hookbox serve --plugins /srv/plugins --data /var/lib/hookbox
  hookbox serve --config /etc/hookbox.toml --listen 0.0.0.0:3000

Settings come from hookbox.toml, then HOOKBOX_… variables, then these flags; the
later wins. See docs/operators.md.";

/// Receive webhooks and run the plugins in a folder.
///
/// Drop a plugin's .wasm into the folder and it handles the next event; replace
/// it and the new version takes over; delete it and its deliveries stop. Ctrl-C
/// ends running attempts and stops.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    settings: Settings,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    log_format: logging::Format,
}

/// Why the host did not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What was required of the kernel.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// A part of the host.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The async runtime or the signals.
    #[error("the host can't start: {0}")]
    Io(#[from] io::Error),
}

/// Runs the host until it is told to stop.
///
/// # Errors
/// When the configuration is wrong or a part doesn't start.
pub(super) fn run(args: &Args) -> Result<ExitCode, ServeError> {
    logging::start(args.log_format);
    let config = Config::load(args.settings.overrides(), &config::environment)?;
    logging::redact(config.redactor());
    confine(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("ingest")
        .enable_all()
        .build()?;
    let code = runtime.block_on(serve(config));
    // The stop was patient already: what still runs doesn't delay the end.
    runtime.shutdown_background();
    code
}

/// Gives up what the host doesn't need. Before there are other threads, which
/// would keep it.
fn confine(config: &Config) -> Result<(), ConfineError> {
    if config.confine == Mode::Off {
        return Ok(());
    }
    service::make_folders(config);
    match confine::confine(config.confine, &service::needs(config))? {
        Some(confinement) if !confinement.is_full() => {
            warn!(%confinement, "the host is confined only in part: this kernel, or the container's profile, lacks the rest");
        }
        Some(confinement) => {
            info!(%confinement, "the host is confined to its folders and ports");
        }
        None => {}
    }
    Ok(())
}

async fn serve(config: Config) -> Result<ExitCode, ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let folders = config.endpoints.iter().map(|endpoint| &endpoint.plugins);
    let folders = folders.map(|folder| folder.display().to_string());
    let plugins = folders.collect::<Vec<_>>().join(", ");
    let paths = config.endpoints.iter().map(|endpoint| &endpoint.path[..]);
    let paths = paths.collect::<Vec<_>>().join(", ");
    let data = config.data.display().to_string();
    let open: Vec<_> = config
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.auth.is_empty())
        .map(|endpoint| endpoint.path.clone())
        .collect();
    let grace = config.serve.grace;
    let mut service = Service::start(config).await?;
    info!(
        listen = %service.listen, paths, admin = %service.admin, plugins, data,
        authenticated = open.is_empty(), "hookbox is up"
    );
    for path in open {
        info!(
            path,
            "no authentication is configured: everyone who reaches the address can post events"
        );
    }

    let reason = tokio::select! {
        reason = service.fatal() => Err(reason),
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("Ctrl-C"),
    };
    match &reason {
        Ok(signal) => {
            info!(
                "{signal}: stopping; running attempts have {grace:?} to end; again to stop at once"
            )
        }
        Err(reason) => error!("the host can't go on, stopping: {reason}"),
    }
    tokio::select! {
        () = service.stop() => {}
        // What has not ended runs again after the next start.
        _ = terminate.recv() => info!("stopping at once"),
        _ = interrupt.recv() => info!("stopping at once"),
    }
    info!("hookbox has stopped");
    Ok(if reason.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
