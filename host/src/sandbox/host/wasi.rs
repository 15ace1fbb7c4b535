//! WASI 0.2 as language runtimes import it, with nothing behind it: no file, no
//! variable, no argument, no socket; clocks, randomness and a log.

use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use super::stdio::LogStream;
use crate::sandbox::state::SharedLog;

/// The most random bytes that a handler gets in one call.
const MAX_RANDOM: u64 = 64 << 10;

/// The interfaces of WASI 0.2 that need a [`WasiCtx`].
const PACKAGES: [&str; 6] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

/// Whether an import belongs to the WASI that needs a context.
pub(in crate::sandbox) fn is_wasi(import: &str) -> bool {
    PACKAGES.iter().any(|package| import.starts_with(package))
}

/// A context of an attempt's own.
pub(in crate::sandbox) fn context(log: &SharedLog) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(LogStream::stdout(log))
        .stderr(LogStream::stderr(log))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM)
        .build()
}
