//! The `log` macros and panics, sent to the host's log.

use std::sync::Once;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::bindings::imports::wasi::logging::logging as host;

/// Trace stays inside: dependencies use it freely and an attempt's log is
/// bounded. A handler that wants it calls `log::set_max_level`.
const MOST: LevelFilter = LevelFilter::Debug;

/// Before each handler. Once is enough for an instance that lives on.
pub(super) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            // The trap that follows carries no message: this line is all there is.
            // In one line, unlike its own text.
            let place = panic.location().map(ToString::to_string);
            let place = place.as_deref().unwrap_or("an unknown place");
            let message = panic.payload_as_str().unwrap_or("no message");
            host::log(
                host::Level::Error,
                "panic",
                &format!("panicked at {place}: {message}"),
            );
        }));
        // Fails only where the plugin has set a logger of its own: that one stays.
        if log::set_logger(&HostLog).is_ok() {
            log::set_max_level(MOST);
        }
    });
}

struct HostLog;

impl Log for HostLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            Level::Error => host::Level::Error,
            Level::Warn => host::Level::Warn,
            Level::Info => host::Level::Info,
            Level::Debug => host::Level::Debug,
            Level::Trace => host::Level::Trace,
        };
        let arguments = record.args();
        match arguments.as_str() {
            Some(message) => host::log(level, record.target(), message),
            None => host::log(level, record.target(), &arguments.to_string()),
        }
    }

    fn flush(&self) {}
}
