//! WASI 0.2 as language runtimes import it, with nothing behind it: no file, no
//! variable, no argument, no socket; clocks, randomness and a log.

mod clocks;
mod random;

pub(in crate::sandbox) use random::Random;

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::io::error::Error;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiView as _};

use self::clocks::{SinceStart, Wall};
use super::stdio::LogStream;
use crate::sandbox::state::{SharedLog, State};

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
    linker.allow_shadowing(true);
    replace(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// What is better done here.
fn replace(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    random::add_to_linker(linker)?;
    // wasmtime-wasi's own shows the host's stack where backtraces are on.
    linker.instance(ERRORS)?.func_wrap(
        "[method]error.to-debug-string",
        |mut store, (error,): (Resource<Error>,)| {
            let error = store.data_mut().ctx().table.get(&error)?;
            Ok((error.to_string(),))
        },
    )
}

/// A context of an attempt's own.
pub(in crate::sandbox) fn context(log: &SharedLog) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(LogStream::stdout(log))
        .stderr(LogStream::stderr(log))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .wall_clock(Wall)
        .monotonic_clock(SinceStart::now())
        // Randomness is replaced; should it ever not be, it is none.
        .max_random_size(0)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_that_is_replaced_is_one_of_wasmtimes() {
        let engine = wasmtime::Engine::default();
        let mut linker = Linker::<State>::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("nothing is there yet");
        let error = (ERRORS, "[method]error.to-debug-string");
        for (interface, name) in random::REPLACED.into_iter().chain([error]) {
            let mut functions = linker.instance(interface).expect("an instance");
            let added = functions.func_wrap(name, |_, (): ()| Ok(()));
            assert!(added.is_err(), "{interface} has no {name}");
        }
    }
}
