//! What one attempt's store holds; dropped whole when the attempt ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::collect::Collector;
use super::host::wasi;
use super::http::Http;
use super::limits::{AttemptLimits, MemoryGuard};
use super::log::{AttemptLog, Level};
use crate::types::Given;

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
    /// The plugin's `[secrets]`.
    pub(super) secrets: Arc<Given>,
    /// The attempt's log.
    pub(super) log: SharedLog,
    /// What it reads and wants kept.
    pub(super) collect: Collector,
    /// Only there for a component that imports WASI.
    wasi: Option<Box<Wasi>>,
}

/// The WASI context and the handles that the component holds in it.
pub(super) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    random: wasi::Random,
    /// Only there for a component that imports `wasi:http`.
    http: Option<Http>,
}

impl Wasi {
    pub(super) fn new(log: &SharedLog, limits: &AttemptLimits, http: Option<Http>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            ctx: wasi::context(log),
            table,
            random: wasi::Random::new(limits.random),
            http,
        }
    }
}

impl State {
    pub(super) fn new(
        memory: MemoryGuard,
        config: Arc<BTreeMap<String, String>>,
        log: SharedLog,
        collect: Collector,
        wasi: Option<Wasi>,
    ) -> Self {
        Self {
            memory,
            config,
            secrets: Arc::default(),
            log,
            collect,
            wasi: wasi.map(Box::new),
        }
    }
}

impl State {
    pub(super) fn with_secrets(self, secrets: Arc<Given>) -> Self {
        Self { secrets, ..self }
    }

    /// What is left of an attempt: its peak of memory, and what it collected.
    pub(super) fn into_parts(self) -> (u64, Collector) {
        (self.memory.peak(), self.collect)
    }

    /// The attempt's randomness.
    ///
    /// # Panics
    /// For a component without WASI, as [`State::ctx`].
    pub(super) fn random(&mut self) -> &mut wasi::Random {
        let wasi = self.wasi.as_mut();
        &mut wasi
            .expect("only components with WASI imports are linked with WASI")
            .random
    }

    /// HTTP, and the handles that it shares with WASI.
    ///
    /// # Panics
    /// For a component without HTTP, as [`State::ctx`] for one without WASI.
    pub(super) fn wasi_http(&mut self) -> (&mut Http, &mut ResourceTable) {
        self.wasi
            .as_mut()
            .and_then(|wasi| Some((wasi.http.as_mut()?, &mut wasi.table)))
            .expect("only components with HTTP imports are linked with HTTP")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::EffectLimits;
    use crate::sandbox::log::Source;
    use crate::sandbox::tests::store::Stored;
    use crate::types::{DeliveryId, EndpointName, EventId, PluginName};

    #[test]
    fn a_component_holds_no_more_handles_than_it_may() {
        let source = Source {
            endpoint: EndpointName::default_endpoint(),
            plugin: PluginName::new("test").expect("a good name"),
            event: EventId::generate(),
            delivery: DeliveryId(1),
        };
        let limits = AttemptLimits {
            handles: 7,
            ..AttemptLimits::default()
        };
        let log = Arc::new(Mutex::new(AttemptLog::new(source, limits.log())));
        let kv = Arc::new(Stored::default());
        let collect = Collector::new(kv, Arc::default(), EffectLimits::default());
        let wasi = Wasi::new(&log, &limits, None);
        let memory = MemoryGuard::new(0);
        let mut state = State::new(memory, Arc::default(), log, collect, Some(wasi));
        let table = state.ctx().table;
        let pushed = (0..10).map(|number| table.push(number));
        assert_eq!(pushed.filter(Result::is_ok).count(), limits.handles);
    }
}
