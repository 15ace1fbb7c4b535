//! WASI 0.2 as language runtimes import it, with nothing behind it: no file, no
//! variable, no argument, no socket; clocks, randomness and a log.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::io::error::Error;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiView as _};

use super::stdio::LogStream;
use crate::sandbox::state::{SharedLog, State};

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

/// The name under which wasmtime-wasi offers errors. A test notices when it
/// changes.
const ERRORS: &str = "wasi:io/error@0.2.12";

/// Adds WASI to a linker.
pub(in crate::sandbox) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    // wasmtime-wasi's own shows the host's stack where backtraces are on.
    linker.allow_shadowing(true);
    linker.instance(ERRORS)?.func_wrap(
        "[method]error.to-debug-string",
        |mut store, (error,): (Resource<Error>,)| {
            let error = store.data_mut().ctx().table.get(&error)?;
            Ok((error.to_string(),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_that_is_replaced_is_there() {
        let mut linker = Linker::<State>::new(&wasmtime::Engine::default());
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("nothing is there yet");
        let mut errors = linker.instance(ERRORS).expect("an instance");
        let added = errors.func_wrap(
            "[method]error.to-debug-string",
            |_, (_,): (Resource<Error>,)| Ok((String::new(),)),
        );
        added.expect_err("wasmtime-wasi has it");
    }
}
