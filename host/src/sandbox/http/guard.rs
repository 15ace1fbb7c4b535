//! What stands before wasmtime-wasi-http's own functions.
//!
//! Bounds for texts that a request resource holds in the host's memory: it checks
//! their form and takes them at any length, so a handler could have each of its
//! handles hold many megabytes. And the code of what ended an answer's body, which
//! it doesn't find again.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{
    ErrorCode, HostOutgoingRequest as _, IoError, Method,
};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{Error, WasiHttpView as _};

use super::super::request::MAX_URL;
use super::super::state::State;

/// The name under which wasmtime-wasi-http offers the types. A test notices when
/// it changes.
const TYPES: &str = "wasi:http/types@0.2.12";

/// The longest method.
const MAX_METHOD: usize = 32;

/// The longest host with its port.
const MAX_AUTHORITY: usize = 512;

type Request = Resource<HostOutgoingRequest>;
type Said = wasmtime::Result<(Result<(), ()>,)>;

/// Adds `wasi:http` to a linker that has WASI.
pub(in crate::sandbox) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store, (request, method): (Request, Method)| -> Said {
            match method {
                Method::Other(name) if name.len() > MAX_METHOD => Ok((Err(()),)),
                method => Ok((store.data_mut().http().set_method(request, method)?,)),
            }
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store, (request, authority): (Request, Option<String>)| -> Said {
            match authority {
                Some(name) if name.len() > MAX_AUTHORITY => Ok((Err(()),)),
                other => Ok((store.data_mut().http().set_authority(request, other)?,)),
            }
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store, (request, path): (Request, Option<String>)| -> Said {
            match path {
                Some(path) if path.len() > MAX_URL => Ok((Err(()),)),
                path => Ok((store.data_mut().http().set_path_with_query(request, path)?,)),
            }
        },
    )?;
    types.func_wrap(
        "http-error-code",
        |mut store, (error,): (Resource<IoError>,)| -> wasmtime::Result<(Option<ErrorCode>,)> {
            let error = store.data_mut().http().table.get(&error)?;
            Ok((code(error),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The code of an error that a stream ended with.
fn code(error: &IoError) -> Option<ErrorCode> {
    if let Some(code) = error.downcast_ref::<ErrorCode>() {
        return Some(code.clone());
    }
    // Those that `Body` ends with.
    match error.downcast_ref::<Error>()? {
        Error::HttpResponseBodySize(size) => Some(ErrorCode::HttpResponseBodySize(*size)),
        Error::ConnectionReadTimeout => Some(ErrorCode::ConnectionReadTimeout),
        Error::HttpResponseIncomplete => Some(ErrorCode::HttpResponseIncomplete),
        _ => None,
    }
}
