//! One attempt: a fresh instance, one call, a report.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store, UpdateDeadline};

use super::adapters::{self, Needs, Program};
use super::caught::caught;
use super::collect::Collector;
use super::cpu::CpuClock;
use super::engine::{self, EngineLimits};
use super::host::wasi;
use super::http::{self, Http, Network};
use super::kv::KvSource;
use super::limits::{AttemptLimits, MemoryGuard};
use super::load::{self, LoadError};
use super::log::{AttemptLog, Line, Source};
use super::reason;
use super::state::{SharedLog, State, Wasi};
use super::turns::{Pace, Turns};
use super::verdict::{self, Failure, Verdict};
use crate::outbound::{Client, Grants};
use crate::types::event::Event;
use crate::types::{DeliveryId, Effects, Given, PluginKey, PluginName};

/// How many handles an attempt may hold of resources that the component makes up
/// itself, those of the host's included; each takes some bytes of the host's.
pub(super) const MAX_OWN_HANDLES: usize = 10_000;

/// Loads programs and runs attempts.
pub struct Sandbox {
    engine: Engine,
    /// For components that import nothing of WASI.
    bare: Linker<State>,
    /// For those that do.
    with_wasi: Linker<State>,
    /// For those that make HTTP requests as well.
    with_http: Linker<State>,
    /// The way of these requests.
    network: Arc<Network>,
    turns: Turns,
}

/// What to run.
#[derive(Clone)]
pub struct Attempt {
    /// The event.
    pub event: Arc<Event>,
    /// The delivery.
    pub delivery: DeliveryId,
    /// The plugin, for the log.
    pub plugin: PluginName,
    /// 1 for the first attempt.
    pub number: u32,
    /// Whether an operator asked for it, outside its session's order.
    pub manual: bool,
    /// Its limits.
    pub limits: AttemptLimits,
    /// The plugin's configuration.
    pub config: Arc<BTreeMap<String, String>>,
    /// Its secrets.
    pub secrets: Arc<Given>,
    /// The plugin's entries.
    pub kv: Arc<dyn KvSource>,
    /// What the plugin may send.
    pub grants: Arc<Grants>,
}

/// How an attempt went.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took.
    pub duration: Duration,
    /// The CPU time that it took.
    pub cpu: Duration,
    /// The most memory that it had, in bytes.
    pub peak_memory: u64,
    /// Its log.
    pub log: Vec<Line>,
    /// What it read and wants kept.
    pub effects: Effects,
}

impl Sandbox {
    /// Starts the engine. HTTP requests of handlers go through `client`.
    ///
    /// # Errors
    /// When the pools can't be reserved, or a thread can't be started.
    pub fn new(limits: EngineLimits, client: Client) -> wasmtime::Result<Self> {
        let engine = engine::runner(limits)?;
        let bare = adapters::linker(&engine)?;
        let mut with_wasi = adapters::linker(&engine)?;
        wasi::add_to_linker(&mut with_wasi)?;
        let mut with_http = with_wasi.clone();
        http::guard::add_to_linker(&mut with_http)?;
        Ok(Self {
            engine,
            bare,
            with_wasi,
            with_http,
            network: Arc::new(Network::start(client)?),
            turns: Turns::of_this_machine(),
        })
    }

    /// The engine, whose identity is part of the code cache's key.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Links code that [`super::compile::compile`] made. The caller vouches that
    /// the bytes are unchanged since.
    ///
    /// # Errors
    /// When the code is of another engine, exports no handler, or wants imports
    /// that the host doesn't have.
    pub fn load(&self, code: &[u8]) -> Result<Program, LoadError> {
        let component = load::map_code(&self.engine, code)?;
        let needs = needs(&component, &self.engine);
        let linker = match needs {
            Needs::Nothing => &self.bare,
            Needs::Wasi => &self.with_wasi,
            Needs::Http => &self.with_http,
        };
        let instance = linker
            .instantiate_pre(&component)
            .map_err(|error| LoadError::Fit(format!("{error:#}")))?;
        Program::new(&component, &instance, needs, self.turns.line())
    }

    /// Makes one attempt in a fresh instance. Dropping the future ends it.
    pub async fn run(&self, program: &Program, attempt: Attempt) -> Report {
        let started = Instant::now();
        let source = Source {
            endpoint: attempt.event.endpoint.clone(),
            plugin: attempt.plugin.clone(),
            event: attempt.event.id,
            delivery: attempt.delivery,
        };
        let log = AttemptLog::new(source, attempt.limits.log())
            .redacting(attempt.secrets.redactor().clone());
        let log = Arc::new(Mutex::new(log));
        let clock = CpuClock::new(attempt.limits.cpu);

        let state = State::new(
            MemoryGuard::new(attempt.limits.memory),
            Arc::clone(&attempt.config),
            Arc::clone(&log),
            Collector::new(
                Arc::clone(&attempt.kv),
                Arc::clone(&attempt.grants),
                attempt.limits.effects,
            ),
            self.wasi(program, &attempt, &log),
        )
        .with_secrets(Arc::clone(&attempt.secrets));
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(1);
        store.set_hostcall_fuel(attempt.limits.host_data);
        store.set_max_component_handles(MAX_OWN_HANDLES);
        let watch = Arc::clone(&clock);
        store.epoch_deadline_callback(move |_| {
            watch.check()?;
            Ok(UpdateDeadline::Yield(1))
        });

        let endpoint = &attempt.event.endpoint;
        let mut pace = Pace::new(&self.turns, &clock, program.line(), endpoint);
        // It has not begun yet: what it waits for this isn't its time.
        pace.begin().await;
        let verdict = {
            let call = pin!(program.call(&mut store, &attempt));
            let call = pace.keep(call);
            match caught(tokio::time::timeout(attempt.limits.wall, call)).await {
                Ok(Ok(Ok(verdict))) => verdict,
                Ok(Ok(Err(error))) => verdict::of_error(&error, &attempt.limits),
                Ok(Err(_elapsed)) => Verdict::Failed(Failure::Wall(attempt.limits.wall)),
                Err(panic) => Verdict::Failed(Failure::Other(format!("the host failed: {panic}"))),
            }
        };
        let turn = pace.end().await;
        // The last lines of stdout come when the streams are dropped, here.
        let (peak_memory, collect) = store.into_data().into_parts();
        drop(turn);

        let lines = log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_lines();
        Report {
            effects: collect.into_effects(&verdict),
            verdict: reason::tidy(verdict, attempt.secrets.redactor()),
            duration: started.elapsed(),
            cpu: clock.used(),
            peak_memory,
            log: lines,
        }
    }
}

impl Sandbox {
    /// What of WASI the program needs: the others pay nothing for it.
    fn wasi(&self, program: &Program, attempt: &Attempt, log: &SharedLog) -> Option<Wasi> {
        let http = || {
            Http::new(
                Arc::clone(&self.network),
                PluginKey {
                    endpoint: attempt.event.endpoint.clone(),
                    plugin: attempt.plugin.clone(),
                },
                Arc::clone(&attempt.grants),
                attempt.limits.http,
                attempt.limits.wall,
                Arc::clone(log),
            )
        };
        match program.needs() {
            Needs::Nothing => None,
            Needs::Wasi => Some(Wasi::new(log, &attempt.limits, None)),
            Needs::Http => Some(Wasi::new(log, &attempt.limits, Some(http()))),
        }
    }
}

fn needs(component: &Component, engine: &Engine) -> Needs {
    let ty = component.component_type();
    let names = || ty.imports(engine).map(|(name, _)| name);
    if names().any(http::is_http) {
        Needs::Http
    } else if names().any(wasi::is_wasi) {
        Needs::Wasi
    } else {
        Needs::Nothing
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}
