//! Hears what handlers log: a layer of the host's own log.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::types::DeliveryId;

/// Keeps the lines of each delivery until they are taken, or prints them at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Listener {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<HashMap<i64, Vec<String>>>,
    live: AtomicBool,
}

impl Listener {
    /// Starts the host's log with this listener in it. Besides handlers' lines
    /// only warnings are shown.
    pub(super) fn start() -> Self {
        let listener = Self::default();
        let filter = EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| EnvFilter::new("warn,hookbox::plugin=off"));
        let log = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_filter(filter);
        tracing_subscriber::registry()
            .with(log)
            .with(listener.clone())
            .init();
        listener
    }

    /// The lines that the attempts of a delivery have logged.
    pub(super) fn take(&self, delivery: DeliveryId) -> Vec<String> {
        let mut lines = self
            .shared
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        lines.remove(&delivery.0).unwrap_or_default()
    }

    /// From now on lines are printed as they come.
    pub(super) fn speak(&self) {
        self.shared.live.store(true, Ordering::Relaxed);
    }
}

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target() != "hookbox::plugin" || *metadata.level() > Level::INFO {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        if self.shared.live.load(Ordering::Relaxed) {
            say!("{:<14} {}", line.plugin, line.message);
            return;
        }
        let mut lines = self
            .shared
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        lines.entry(line.delivery).or_default().push(line.message);
    }
}

/// The fields of a handler's line that matter here.
#[derive(Debug, Default)]
struct Line {
    plugin: String,
    delivery: i64,
    message: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "plugin" => self.plugin = text,
            "delivery" => self.delivery = text.parse().unwrap_or_default(),
            "message" => self.message = text,
            _ => {}
        }
    }
}
