//! `[compile]`: what compiling a plugin may take, and how much code is kept.

use std::time::Duration;

use super::raw::RawCompile;
use super::resolve::value;
use super::{ConfigError, Size, Span};
use crate::plugins::compile::CompileLimits;
use crate::plugins::confine::Bounds;

/// The compiler itself needs this much address space to start.
const LEAST_MEMORY: u64 = 256 << 20;

/// Bounds of compiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileConfig {
    /// Of one file.
    pub limits: CompileLimits,
    /// How many bytes of compiled code are kept.
    pub cache: u64,
}

pub(super) fn resolve(raw: &RawCompile) -> Result<CompileConfig, ConfigError> {
    let default = CompileLimits::default();
    let memory = raw.memory.map_or(default.bounds.memory, |size| size.0);
    if memory < LEAST_MEMORY {
        return Err(value("compile.memory", "must be at least 256MiB"));
    }
    let span = |key: &str, given: Option<Span>, default: Duration| match given {
        Some(Span(span)) if span < Duration::from_secs(1) => Err(value(key, "must be at least 1s")),
        given => Ok(given.map_or(default, |span| span.0)),
    };
    Ok(CompileConfig {
        limits: CompileLimits {
            bounds: Bounds {
                memory,
                cpu: span("compile.cpu", raw.cpu, default.bounds.cpu)?,
                ..default.bounds
            },
            wall: span("compile.wall", raw.wall, default.wall)?,
        },
        cache: raw.cache.unwrap_or(Size(2 << 30)).0,
    })
}
