//! What one attempt's store holds; dropped whole when the attempt ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::host::wasi;
use super::limits::MemoryGuard;
use super::log::{AttemptLog, Level};

/// The log is shared with the streams that WASI hands out.
pub(super) type SharedLog = Arc<Mutex<AttemptLog>>;

/// Adds a line to a shared log.
pub(super) fn log_line(log: &SharedLog, level: Level, context: &str, message: &str) {
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(level, context, message);
}

/// One attempt's side of the host.
pub(super) struct State {
    /// Watches memory.
    pub(super) memory: MemoryGuard,
    /// The plugin's `[config]`.
    pub(super) config: Arc<BTreeMap<String, String>>,
    /// The attempt's log.
    pub(super) log: SharedLog,
    /// Only there for a component that imports WASI.
    wasi: Option<Box<Wasi>>,
}

/// The WASI context and the handles that the component holds in it.
pub(super) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl State {
    pub(super) fn new(
        memory: MemoryGuard,
        config: Arc<BTreeMap<String, String>>,
        log: SharedLog,
        needs_wasi: bool,
    ) -> Self {
        let wasi = needs_wasi.then(|| {
            Box::new(Wasi {
                ctx: wasi::context(&log),
                table: ResourceTable::new(),
            })
        });
        Self {
            memory,
            config,
            log,
            wasi,
        }
    }
}

impl WasiView for State {
    /// # Panics
    /// For a component without WASI; such a component is linked without these
    /// functions, so there is nothing that could call this.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self
            .wasi
            .as_mut()
            .expect("only components with WASI imports are linked with WASI");
        WasiCtxView {
            ctx: &mut wasi.ctx,
            table: &mut wasi.table,
        }
    }
}
