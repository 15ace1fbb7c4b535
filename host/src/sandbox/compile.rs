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

/// Compiles `component` into code that [`super::Sandbox::load`] takes.
///
/// # Errors
/// When the component is invalid or too large for the compiler.
pub fn compile(component: &[u8]) -> Result<Vec<u8>, CompileError> {
    let engine = engine::compiler().map_err(|error| CompileError::Engine(format!("{error:#}")))?;
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
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}
