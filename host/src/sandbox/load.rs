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
    component.map_err(|error| LoadError::Code(format!("{error:#}")))
}
