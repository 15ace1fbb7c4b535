//! Turns verified machine code into a linked program: the one place in the
//! workspace with `unsafe`.

use wasmtime::Engine;
use wasmtime::component::Component;

/// Why compiled code is no program.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// wasmtime doesn't accept the code; it belongs to another version, say.
    #[error("the compiled code doesn't load: {0}")]
    Code(String),
    /// No attempt could hold it.
    #[error("the component is too large for an attempt: {0}")]
    Size(String),
    /// It exports no handler of the contract.
    #[error("the component exports no handler interface of hookbox:plugin@0.1.0")]
    NoHandler,
    /// An import or export doesn't fit the host.
    #[error("the component doesn't fit the host: {0}")]
    Fit(String),
}

/// Maps machine code into the process.
///
/// The caller vouches for `code`: it is what the host's own compiler produced,
/// unchanged since. Whoever can choose these bytes owns the process.
pub(super) fn map_code(engine: &Engine, code: &[u8]) -> Result<Component, LoadError> {
    // SAFETY: `code` comes from the host's compile child; the bytes passed here
    // are the ones that were verified, not a file that could change in between.
    #[expect(
        unsafe_code,
        reason = "loading precompiled code is unsafe by nature; the cache vouches for it"
    )]
    let component = unsafe { Component::deserialize(engine, code) };
    component.map_err(|error| of_error(&format!("{error:#}")))
}

/// What is too large for the pools is the plugin's fault. wasmtime has no type for
/// that; a test knows its words.
fn of_error(error: &str) -> LoadError {
    let ours = [
        " in the pooling allocator",
        " is unsupported in this pooling allocator configuration",
    ];
    let part = |text: &str| {
        ours.iter()
            .fold(text.to_owned(), |text, part| text.replace(part, ""))
    };
    match error.split_once("does not fit in pooling allocator requirements: ") {
        Some((_, what)) => LoadError::Size(part(what)),
        None if error.contains("pooling allocator") => LoadError::Size(part(error)),
        None => LoadError::Code(error.to_owned()),
    }
}
