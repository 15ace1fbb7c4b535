//! `wasi:logging`: lines of the attempt's log.

use crate::sandbox::adapters::bindings::wasi::logging::logging::{Host, Level as WasiLevel};
use crate::sandbox::log::Level;
use crate::sandbox::state::{State, log_line};

impl Host for State {
    fn log(&mut self, level: WasiLevel, context: String, message: String) {
        let level = match level {
            WasiLevel::Trace => Level::Trace,
            WasiLevel::Debug => Level::Debug,
            WasiLevel::Info => Level::Info,
            WasiLevel::Warn => Level::Warn,
            WasiLevel::Error | WasiLevel::Critical => Level::Error,
        };
        log_line(&self.log, level, &context, &message);
    }
}
