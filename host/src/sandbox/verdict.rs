//! How an attempt ended.

use std::fmt;
use std::time::Duration;

use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi_http::FieldMapError;

use super::attempt::MAX_OWN_HANDLES;
use super::cpu::CpuExceeded;
use super::kv::KvProblem;
use super::limits::{AttemptLimits, MemoryExceeded};
use super::stop::Stop;
use crate::types::effects::KvKey;

/// How much of the name of the function that trapped is shown, in bytes.
const MAX_FUNCTION: usize = 1 << 10;

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The handler answered `ok`.
    Done,
    /// The handler asks for another attempt.
    Retry {
        /// Why.
        reason: String,
        /// After how long; the host bounds it.
        delay: Option<Duration>,
    },
    /// The handler says that it will never work.
    Reject {
        /// Why.
        reason: String,
    },
    /// The handler did not come to an answer.
    Failed(Failure),
    /// The pools had no room: no attempt has been made.
    NoRoom,
    /// It met an entry that another attempt has changed since it started: it is
    /// to be made again, and doesn't count.
    Conflict {
        /// The entry.
        at: KvKey,
    },
}

/// Why a handler did not come to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It grew past its memory.
    Memory(MemoryExceeded),
    /// It used up its CPU time.
    Cpu(CpuExceeded),
    /// It did not end in time.
    Wall(Duration),
    /// It recursed too deeply.
    StackOverflow,
    /// It passed another limit, which this names.
    Limit(String),
    /// It trapped in another way.
    Trap(String),
    /// It asked to end the process.
    Exit(i32),
    /// The host could not serve it.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(exceeded) => exceeded.fmt(f),
            Self::Cpu(exceeded) => exceeded.fmt(f),
            Self::Wall(limit) => write!(f, "wall-clock limit of {} ms exceeded", limit.as_millis()),
            Self::StackOverflow => {
                f.write_str("stack limit exceeded: the handler recursed too deeply")
            }
            Self::Limit(what) => f.write_str(what),
            Self::Trap(what) => write!(f, "trapped: {what}"),
            Self::Exit(status) => write!(f, "called exit({status}) instead of returning"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// Reads the verdict out of an error of wasmtime.
pub(super) fn of_error(error: &wasmtime::Error, limits: &AttemptLimits) -> Verdict {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Verdict::NoRoom;
    }
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return of_stop(stop);
    }
    Verdict::Failed(failure(error, limits))
}

/// An attempt that the host has ended.
fn of_stop(stop: &Stop) -> Verdict {
    match stop {
        Stop::Entries(KvProblem::Conflict { at }) => Verdict::Conflict { at: at.clone() },
        // Not the handler's fault, so not like a trap.
        Stop::Entries(KvProblem::Unavailable(_)) => {
            Verdict::Failed(Failure::Other(stop.to_string()))
        }
        Stop::Keys { .. }
        | Stop::Written { .. }
        | Stop::Counters { .. }
        | Stop::CounterName { .. }
        | Stop::Random { .. } => Verdict::Failed(Failure::Limit(stop.to_string())),
    }
}

fn failure(error: &wasmtime::Error, limits: &AttemptLimits) -> Failure {
    if let Some(exceeded) = error.downcast_ref::<MemoryExceeded>() {
        return Failure::Memory(*exceeded);
    }
    if let Some(exceeded) = error.downcast_ref::<CpuExceeded>() {
        return Failure::Cpu(*exceeded);
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return Failure::Exit(exit.0);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => Failure::StackOverflow,
        Some(trap) => {
            let trap = trap.to_string();
            let kind = trap.strip_prefix("wasm trap: ").unwrap_or(&trap);
            Failure::Trap(format!("{kind}{}", place(error)))
        }
        None => match limit(error, limits) {
            Some(what) => Failure::Limit(what),
            // It broke the rules of calls: a handle that it doesn't have, say.
            None => Failure::Trap(error.root_cause().to_string()),
        },
    }
}

/// The limits that wasmtime and its WASI keep for the host.
fn limit(error: &wasmtime::Error, limits: &AttemptLimits) -> Option<String> {
    let AttemptLimits {
        handles, host_data, ..
    } = limits;
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Some(format!(
            "handle limit of {handles} exceeded: {} held at once",
            handles.saturating_add(1)
        ));
    }
    if let Some(FieldMapError::TotalSizeTooBig | FieldMapError::TooManyFields) =
        error.downcast_ref()
    {
        return Some(format!(
            "http-fields limit of {} bytes exceeded: a set of headers has more",
            limits.http.fields
        ));
    }
    // wasmtime has no types for these; tests know its words.
    let cause = error.root_cause().to_string();
    if cause.starts_with("too much data is being copied") {
        return Some(format!(
            "host-data limit of {host_data} bytes exceeded: one call of the host, or the answer, hands over more"
        ));
    }
    if cause.ends_with("store handle limit exceeded") {
        return Some(format!(
            "handle limit of {MAX_OWN_HANDLES} exceeded: the component holds more, its own included"
        ));
    }
    None
}

/// The function that trapped, where the component still has its names.
fn place(error: &wasmtime::Error) -> String {
    error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|trace| trace.frames().iter().find_map(|frame| frame.func_name()))
        .map(|name| format!(" (in {})", &name[..name.floor_char_boundary(MAX_FUNCTION)]))
        .unwrap_or_default()
}
