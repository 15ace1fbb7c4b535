//! How an attempt ended.

use std::fmt;
use std::time::Duration;

use wasmtime::{Trap, WasmBacktrace};

use super::cpu::CpuExceeded;
use super::kv::KvProblem;
use super::limits::MemoryExceeded;
use super::stop::Stop;
use crate::types::effects::KvKey;

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
    /// It did more than it may with its entries or counters.
    Limit(String),
    /// It trapped in another way.
    Trap(String),
    /// It asked to end the process.
    Exit(i32),
    /// Instantiation failed, or the host could not serve it.
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
pub(super) fn of_error(error: &wasmtime::Error) -> Verdict {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Verdict::NoRoom;
    }
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return of_stop(stop);
    }
    Verdict::Failed(failure(error))
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
        | Stop::CounterName { .. } => Verdict::Failed(Failure::Limit(stop.to_string())),
    }
}

fn failure(error: &wasmtime::Error) -> Failure {
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
        None => Failure::Other(error.root_cause().to_string()),
    }
}

/// The function that trapped, where the component still has its names.
fn place(error: &wasmtime::Error) -> String {
    error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|trace| trace.frames().iter().find_map(|frame| frame.func_name()))
        .map(|name| format!(" (in {name})"))
        .unwrap_or_default()
}
