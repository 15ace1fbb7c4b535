//! A plugin's file: turned into a component, checked and compiled as in the
//! compile child, then loaded as in the host.
//!
//! Held true: a file that compiles is compiled the same again, and loads or is
//! refused; bytes that don't fit the contract reach the compiler without harm.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hookbox::contract;
use hookbox::outbound::{self, AllowedNets, Client, Connector, SystemResolver};
use hookbox::plugins::child;
use hookbox::sandbox::{EngineLimits, Sandbox, compile};
use hookbox_fuzz::{components, write_seeds};
use libfuzzer_sys::fuzz_target;

/// What both sides work with, made once.
struct Bench {
    compiler: wasmtime::Engine,
    sandbox: Sandbox,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let connector = Connector::new(
        Arc::new(SystemResolver),
        AllowedNets::default(),
        Vec::new(),
        Duration::from_secs(1),
    );
    let client = Client::new(connector, outbound::client::Bounds::default());
    let limits = EngineLimits {
        attempts: 1,
        ..EngineLimits::default()
    };
    Bench {
        compiler: compile::engine().expect("the compiler starts"),
        sandbox: Sandbox::new(limits, client).expect("the sandbox starts"),
    }
});

fuzz_target!(
    init: write_seeds(components),
    |file: &[u8]| {
        let Bench { compiler, sandbox } = &*BENCH;
        match child::compile(compiler, file) {
            Ok(code) => {
                assert_eq!(child::compile(compiler, file).as_ref(), Ok(&code));
                // Either is an answer.
                let _ = sandbox.load(&code);
            }
            Err(problem) => {
                assert!(!problem.is_empty());
                // What isn't for this host is still something to compile.
                if let Ok((component, _)) = contract::read(file) {
                    let _ = compile::compile(compiler, &component);
                }
            }
        }
    }
);
