//! Limits that are passed by none of the host's imports, and what is too large to
//! load.

use super::wit::{component, everything};
use super::{failure, run, sandbox};
use crate::sandbox::{AttemptLimits, LoadError, compile};

#[tokio::test]
async fn handles_of_a_components_own_are_bounded_as_well() {
    let module = r#"(module
        (import "[export]hookbox:probe/mine" "[resource-new]thing"
          (func $new (param i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
        (func (export "hookbox:plugin/on-chat-push@0.1.0#handle") (param i32) (result i32)
          (loop $again (drop (call $new (i32.const 1))) (br $again))
          (i32.const 16)))"#;
    let bytes = component(everything(), "export mine;", module);
    let why = failure(run(&bytes, AttemptLimits::default()).await).to_string();
    assert!(why.starts_with("handle limit of 10000 exceeded"), "{why}");
}

#[tokio::test]
async fn tables_count_as_memory() {
    let items = "(table $t 0 funcref)";
    let body = "(drop (table.grow $t (ref.null func) (i32.const 2000000000))) (i32.const 16)";
    let bytes = super::wit::plugin(&[], items, body);
    let why = failure(run(&bytes, AttemptLimits::default()).await).to_string();
    // 8 bytes for each element, and the memory's two pages.
    let exceeded = "memory limit of 67108864 bytes exceeded: 16000131072 bytes asked for";
    assert_eq!(why, exceeded);
}

#[tokio::test]
async fn what_no_pool_has_room_for_says_so_when_it_is_loaded() {
    let sandbox = sandbox();
    let parts = |module: &str, count: usize| {
        let instances = "(core instance (instantiate $m))".repeat(count);
        format!("(component (core module $m {module}) {instances})")
    };
    for (text, says) in [
        (parts("", 61), "61 core module instances"),
        (parts("(memory 1)", 5), "5 Wasm linear memories"),
        (parts("(table 1 funcref)", 9), "9 tables"),
        (parts("(memory 3000)", 1), "196608000"),
        (parts("(table 200000 funcref)", 1), "200000"),
    ] {
        let bytes = ::wat::parse_str(&text).expect("good WebAssembly text");
        let code = compile::compile(&compile::engine().expect("it starts"), &bytes);
        let error = sandbox
            .load(&code.expect("it compiles"))
            .expect_err("too large");
        let LoadError::Size(why) = &error else {
            panic!("{error}");
        };
        assert!(why.contains(says) && !why.contains("pooling"), "{why}");
    }
    // The largest that there is room for only lacks a handler.
    let good = ::wat::parse_str(parts("", 60)).expect("good WebAssembly text");
    let code = compile::compile(&compile::engine().expect("it starts"), &good);
    let error = sandbox
        .load(&code.expect("it compiles"))
        .expect_err("no handler");
    assert!(matches!(error, LoadError::NoHandler), "{error}");
}

/// Each frame would have a copy of a name that may be as long as the plugin's file.
#[tokio::test]
async fn a_trap_has_one_frame_however_deep_it_happens() {
    let text = r#"(module
        (func $f (param i32)
          (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))))
          unreachable)
        (func (export "run") (call $f (i32.const 9))))"#;
    let sandbox = sandbox();
    let bytes = ::wat::parse_str(text).expect("good WebAssembly text");
    let module = wasmtime::Module::new(sandbox.engine(), &bytes).expect("it compiles");
    let mut store = wasmtime::Store::new(sandbox.engine(), ());
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = wasmtime::Instance::new(&mut store, &module, &[]).expect("it fits");
    let run = instance.get_typed_func::<(), ()>(&mut store, "run");
    let error = run.expect("it is there").call(&mut store, ());
    let error = error.expect_err("it traps");
    let trace: &wasmtime::WasmBacktrace = error.downcast_ref().expect("one");
    assert_eq!(trace.frames().len(), 1);
    assert_eq!(trace.frames()[0].func_name(), Some("f"));
}
