//! `hookbox demo`: the main job, shown once, from sources to handled events.
//!
//! Builds the bundled plugins into a scratch folder → starts a host there →
//! posts the sample events ([`samples`]) → shows the answers and what the
//! handlers said ([`listen`]) → stays up, or ends with `--once`.

/// Prints a line for the person who watches.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        // Whoever has closed the pipe doesn't want to see more.
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod listen;
mod samples;

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::listen::Listener;
use crate::config::{Config, ConfigError, Overrides};
use crate::confine::Mode;
use crate::journal::{Counter, DeliveryFilter, DeliveryRecord, DeliveryState, JournalError};
use crate::service::{Service, ServiceError};
use crate::toolchain;
use crate::types::DeliveryId;

/// The plugins that are shown, by folder below `plugins/`.
const PLUGINS: [&str; 3] = ["analytics", "greeter", "order-finder"];

/// How long the demo waits for plugins to load and for events to be handled.
const PATIENCE: Duration = Duration::from_secs(60);

const EXAMPLES: &str = "\
Examples:
  cargo run --release -- demo           from a fresh clone
  cargo run --release -- demo --once    end after the events are handled";

/// Show the main job: build the bundled plugins, start a host, send samples.
///
/// Uses a scratch folder and changes nothing else, except that it sets up the
/// wasm compiler if there is none (it says what it does).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// End when the events are handled; exit with 0 only if all were.
    #[arg(long)]
    once: bool,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    /// The sources of the bundled plugins aren't where they were at build time.
    #[error("the bundled plugins are not in {0}: run the demo from the repository it was built in")]
    NoSources(PathBuf),
    /// A bundled plugin doesn't build.
    #[error(transparent)]
    Toolchain(#[from] toolchain::Error),
    /// The host's settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The host.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The journal, when asked what became of an event.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file or a thread.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Something took too long.
    #[error("waited {} s in vain for {what}", PATIENCE.as_secs())]
    Patience {
        /// What did not happen.
        what: String,
    },
}

/// Runs the demo.
///
/// # Errors
/// When a part of it can't be started; events that aren't handled are an exit
/// code.
pub(super) fn run(args: &Args) -> Result<ExitCode, DemoError> {
    let scratch = TempDir::new()?;
    let plugins = scratch.path().join("plugins");
    fs::create_dir(&plugins)?;
    say!("hookbox demo: webhooks in, wasm plugins handle them\n");
    build_plugins(&plugins)?;
    let listener = Listener::start();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(show(scratch.path(), &listener, args.once))
}

fn build_plugins(out: &Path) -> Result<(), DemoError> {
    let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins"));
    if !sources.is_dir() {
        return Err(DemoError::NoSources(sources.to_owned()));
    }
    let started = Instant::now();
    say!("1. Build the bundled plugins from source (the first time takes a minute or two)");
    let mut progress = |line: &str| say!("   [{:>3} s] {line}", started.elapsed().as_secs());
    for name in PLUGINS {
        let options = toolchain::Options::default();
        let built = toolchain::build_plugin(&sources.join(name), out, &options, &mut progress)?;
        let size = fs::metadata(&built.component)?.len();
        say!("   {name}.wasm: {} KiB", size.div_ceil(1024));
        let manifest = format!("{name}.toml");
        if sources.join(&manifest).exists() {
            fs::copy(sources.join(&manifest), out.join(&manifest))?;
        }
    }
    Ok(())
}

async fn show(scratch: &Path, listener: &Listener, once: bool) -> Result<ExitCode, DemoError> {
    say!("\n2. Start a host with these plugins in its folder");
    let service = start(scratch, once).await?;
    wait_for_plugins(&service).await?;
    let url = format!("http://{}/webhook", service.listen);
    for (key, status) in service.registry.snapshot() {
        say!(
            "   {:<14} handles {}",
            key.plugin,
            status.handlers.join(", ")
        );
    }

    say!("\n3. Send the provider's sample events to {url}");
    let mut all_good = true;
    let mut seen = DeliveryId(0);
    for sample in samples::ALL {
        let answer = samples::post(&url, sample).await?;
        say!(
            "\n   {:<25} answered {} {} in {:.1} ms",
            sample.name,
            answer.status,
            answer.body.trim(),
            answer.took.as_secs_f64() * 1e3
        );
        let deliveries = settled(&service, seen).await?;
        if let Some(newest) = deliveries.iter().map(|delivery| delivery.id).max() {
            seen = newest;
        }
        if deliveries.is_empty() {
            say!("      stored; no plugin here handles this type");
        }
        for delivery in &deliveries {
            outcome(delivery, listener);
        }
        all_good &= answer.status == 200
            && deliveries
                .iter()
                .all(|delivery| delivery.state == DeliveryState::Done);
    }

    say!("\n4. What the plugins counted, kept in the commits of their outcomes");
    let counted = counted(&service).await?;
    let counted = counted
        .iter()
        .map(|counter| (counter.name.escape_debug().to_string(), counter.value));
    let counted: Vec<_> = counted.collect();
    let widths = counted.iter().map(|(name, _)| name.chars().count());
    let width = widths.max().unwrap_or(0);
    for (name, value) in counted {
        say!("   {name:<width$}  {value}");
    }

    let counts = service.journal.counts().await?;
    say!(
        "\n{} events stored, {} deliveries handled, {} not.",
        counts.events,
        counts.done,
        counts.pending + counts.dead + counts.ignored
    );
    if !once {
        stay(&service, scratch, listener, &url).await?;
    }
    service.stop().await;
    Ok(if all_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints what became of one delivery.
fn outcome(delivery: &DeliveryRecord, listener: &Listener) {
    let plugin = delivery.plugin.plugin.as_str();
    let said = listener.take(delivery.id);
    match (&delivery.state, &delivery.reason) {
        (DeliveryState::Done, _) if said.is_empty() => {
            say!("      {plugin:<14} handled it")
        }
        (DeliveryState::Done, _) => {}
        (state, reason) => {
            let reason = reason.as_deref().unwrap_or("no reason given");
            say!("      {plugin:<14} {state:?}: {reason}");
        }
    }
    for line in said {
        say!("      {plugin:<14} {line}");
    }
}

/// Starts the host on the usual ports, or on free ones if they are taken or
/// nobody is going to use them.
async fn start(scratch: &Path, once: bool) -> Result<Service, DemoError> {
    let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let config = |listen, admin| {
        // The demo's settings are its own: no file and no variable changes them.
        let empty = scratch.join("hookbox.toml");
        fs::write(&empty, "")?;
        let overrides = Overrides {
            // It is for a look, on a folder that goes away.
            confine: Some(Mode::Off),
            config: Some(empty),
            listen: Some(local(listen)),
            plugins: Some(scratch.join("plugins")),
            data: Some(scratch.join("data")),
            admin: Some(local(admin)),
            allow_open: false,
        };
        Ok::<_, DemoError>(Config::load(overrides, &|_| None)?)
    };
    if once {
        return Ok(Service::start(config(0, 0)?).await?);
    }
    match Service::start(config(3000, 3001)?).await {
        Err(ServiceError::Listen { .. }) => Ok(Service::start(config(0, 0)?).await?),
        started => Ok(started?),
    }
}

async fn wait_for_plugins(service: &Service) -> Result<(), DemoError> {
    patiently("the plugins to load", async || {
        let plugins = service.registry.snapshot();
        let running = plugins
            .iter()
            .filter(|(_, status)| status.version.is_some());
        Ok((running.count() == PLUGINS.len()).then_some(()))
    })
    .await
}

/// The deliveries of the latest event, all of them ended.
async fn settled(service: &Service, seen: DeliveryId) -> Result<Vec<DeliveryRecord>, DemoError> {
    patiently("the event to be handled", async || {
        let newest = service
            .journal
            .deliveries(DeliveryFilter::default(), PLUGINS.len());
        let mut newest = newest.await?;
        newest.retain(|delivery| delivery.id > seen);
        newest.reverse();
        let ended = newest
            .iter()
            .all(|delivery| delivery.state != DeliveryState::Pending);
        Ok(ended.then_some(newest))
    })
    .await
}

/// The counters of all plugins.
async fn counted(service: &Service) -> Result<Vec<Counter>, DemoError> {
    let mut counters = Vec::new();
    for (key, _) in service.registry.snapshot() {
        counters.extend(service.journal.counters(key).await?);
    }
    Ok(counters)
}

async fn patiently<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>, DemoError>,
) -> Result<T, DemoError> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(DemoError::Patience {
        what: what.to_owned(),
    })
}

async fn stay(
    service: &Service,
    scratch: &Path,
    listener: &Listener,
    url: &str,
) -> Result<(), DemoError> {
    say!("\nThe host stays up; what handlers say appears here. Try:\n");
    say!(
        "  curl -d '{{\"agent_id\":\"A1\",\"event_type\":\"chat.push\",\"data\":{{\"role\":\"user\",\"message\":\"Where is #98765?\",\"session_id\":\"s1\",\"timestamp\":1}},\"timestamp\":'$(date +%s.%N)'}}' -H 'content-type: application/json' {url}"
    );
    say!("\n  plugins folder  {}", scratch.join("plugins").display());
    say!(
        "  operator        http://{}/api/plugins  /api/deliveries  /metrics",
        service.admin
    );
    say!(
        "                  hookbox deliveries --admin {}   (and plugins, events, outbox)",
        service.admin
    );
    say!("\nCtrl-C stops it and removes the scratch folder.\n");
    listener.speak();
    tokio::signal::ctrl_c().await?;
    Ok(())
}
