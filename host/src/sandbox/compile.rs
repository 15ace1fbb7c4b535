//! Makes machine code of a component. Called in a child process only: compiling
//! hostile bytes may take any amount of memory and time, or crash.

use wasmtime::Engine;

use super::engine;

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The engine can't be set up.
    #[error("the compiler can't start: {0}")]
    Engine(String),
    /// The bytes are no valid component.
    #[error("{0}")]
    Invalid(String),
}

/// An engine that compiles.
///
/// # Errors
/// When this processor or system can't run wasmtime.
pub fn engine() -> Result<Engine, CompileError> {
    engine::compiler().map_err(|error| CompileError::Engine(format!("{error:#}")))
}

/// Compiles `component` into code that [`super::Sandbox::load`] takes.
///
/// # Errors
/// When the component is invalid or too large for the compiler.
pub fn compile(engine: &Engine, component: &[u8]) -> Result<Vec<u8>, CompileError> {
    engine
        .precompile_component(component)
        .map_err(|error| CompileError::Invalid(format!("{error:#}")))
}

/// A number that changes whenever compiled code of the past no longer loads:
/// part of the key of the code cache.
#[must_use]
pub fn compatibility(engine: &Engine) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    // What is done to a file before it is compiled, and what is refused.
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// Compiles something harmless and makes it executable in this process: what a
/// confined child must not be able to do.
pub(crate) fn run_something() -> std::io::Result<()> {
    // (module (func))
    const MODULE: &[u8] =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b";
    let run = || wasmtime::Module::new(&engine::compiler()?, MODULE).map(drop);
    run().map_err(|error| std::io::Error::other(format!("{error:#}")))
}
