//! The wasmtime engine: one configuration for the host, which runs code, and
//! for its compile children, which make it.
//!
//! Code that was compiled under another configuration doesn't load, so
//! everything that shapes code is set here and nowhere else.

use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig,
};

/// How often running handlers are interrupted to look at their CPU time and to
/// let others run. Short enough for a CPU limit of tens of milliseconds, long
/// enough to cost nothing.
pub const EPOCH_TICK: Duration = Duration::from_millis(5);

/// The wasm stack of a handler, in bytes: one value for the host, since it
/// belongs to the engine.
const WASM_STACK: usize = 512 << 10;

/// What host functions may use of an attempt's stack beyond the wasm stack. In
/// wasmtime a host function that outgrows it aborts the process, so there is
/// plenty.
const HOST_STACK: usize = 1 << 20;

/// The sizes of the pools, which the operator's limits decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// How many attempts may run at once.
    pub attempts: u32,
    /// The most memory that any attempt may be given, in bytes.
    pub max_memory: u64,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            attempts: 256,
            max_memory: 128 << 20,
        }
    }
}

/// Everything that shapes compiled code; the same for host and child.
fn code_config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(WASM_STACK + HOST_STACK)
        // Lines of source in a trap would need the plugin's debug info on disk.
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable)
        // One frame says where it trapped. Each has a copy of its function's name,
        // which may be as long as the plugin's file.
        .wasm_backtrace_max_frames(NonZeroUsize::new(1))
        // What no supported language's compiler emits, and SIMD that differs from
        // processor to processor. Threads, garbage collection, exceptions and async
        // components aren't even compiled in.
        .wasm_memory64(false)
        .wasm_component_model_memory64(false)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false)
        .wasm_stack_switching(false)
        .relaxed_simd_deterministic(true);
    config
}

/// An engine that only compiles.
///
/// # Errors
/// When this processor or system can't run wasmtime.
pub fn compiler() -> wasmtime::Result<Engine> {
    let mut config = code_config();
    // The child's share of the machine is one core: ingest keeps the others.
    config.parallel_compilation(false);
    Engine::new(&config)
}

/// The engine that runs handlers, with its epoch thread.
///
/// # Errors
/// When the pools can't be reserved, or as for [`compiler`].
pub fn runner(limits: EngineLimits) -> wasmtime::Result<Engine> {
    let mut config = code_config();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pools(limits)))
        // What a deep recursion has used of a stack goes back to the system:
        // otherwise it stays with each of the pool's stacks, up to 1.5 MiB, for good.
        .async_stack_zeroing(true);
    let engine = Engine::new(&config)?;
    start_epoch_thread(engine.weak());
    Ok(engine)
}

/// What one component may have: with these in the pools, each runs at least when
/// no other does.
const MAX_INSTANCES: u32 = 60;
const MAX_MEMORIES: u32 = 4;
const MAX_TABLES: u32 = 8;

/// How many memories wait for the component that had them last, ready for it, when
/// others could use them: enough for those that run now and then in turn. Each holds
/// up to `linear_memory_keep_resident`, so with a hundred, as wasmtime has it, many
/// plugins' memories would fill the host's.
const WARM_MEMORIES: u32 = 16;

/// Pools for `limits.attempts` attempts at once. The counts for one component
/// fit what every supported language's toolchain produces (measured); slots cost
/// address space until they are used.
fn pools(limits: EngineLimits) -> PoolingAllocationConfig {
    let attempts = limits.attempts.max(1);
    let mut pools = PoolingAllocationConfig::new();
    pools
        .max_core_instances_per_component(MAX_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(100_000)
        .max_memory_size(usize::try_from(limits.max_memory).unwrap_or(usize::MAX))
        .total_component_instances(attempts)
        .total_core_instances(attempts.saturating_mul(16).max(MAX_INSTANCES))
        .total_memories(attempts.saturating_mul(2).max(MAX_MEMORIES))
        .total_tables(attempts.saturating_mul(4).max(MAX_TABLES))
        .total_stacks(attempts)
        // What an attempt has written to is set back in place, up to this much:
        // far cheaper than giving pages back and faulting them in again, which
        // interrupts the other cores. Where the kernel can't say which pages
        // those are (Linux before 6.7), it is the first pages that stay.
        .linear_memory_keep_resident(128 << 10)
        .max_unused_warm_slots(WARM_MEMORIES)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(32 << 10)
        .pagemap_scan(Enabled::Auto);
    pools
}

/// Advances the epoch for as long as the engine lives.
fn start_epoch_thread(engine: EngineWeak) {
    let ticker = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH_TICK);
        }
    };
    thread::Builder::new()
        .name("epoch".into())
        .spawn(ticker)
        .expect("the system has a thread left for the host at its start");
}
